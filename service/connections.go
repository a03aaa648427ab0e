package service

import (
	"helfy/adapters/kafka"
	"helfy/adapters/tlsfiles"
	"helfy/domain"
)

// Kafka is the cluster that the service reads.
func (c Config) Kafka() kafka.Cluster {
	cluster := kafka.Cluster{
		Brokers: c.KafkaBrokers,
		SASL:    kafka.SASL{Mechanism: c.KafkaSASL, Username: c.KafkaSASLUsername, Password: c.KafkaSASLPassword},
	}
	if c.KafkaTLS {
		cluster.TLS = &tlsfiles.Files{CA: c.KafkaTLSCA, Cert: c.KafkaTLSCert, Key: c.KafkaTLSKey}
	}
	return cluster
}

func (c Config) tidbTLS() *tlsfiles.Files {
	if !c.TiDBSSL {
		return nil
	}
	return &tlsfiles.Files{CA: c.TiDBSSLCA, Cert: c.TiDBSSLCert, Key: c.TiDBSSLKey}
}

// validateConnections checks what protects connections.
func (c Config) validateConnections(check func(variable string, ok bool, format string, args ...any)) {
	validateTLS(check, "TIDB_SSL", c.TiDBSSL, c.TiDBSSLCA, c.TiDBSSLCert, c.TiDBSSLKey)
	validateTLS(check, "KAFKA_TLS", c.KafkaTLS, c.KafkaTLSCA, c.KafkaTLSCert, c.KafkaTLSKey)
	validateTLS(check, "CHANGEFEED_KAFKA_TLS", c.ChangefeedTLS, c.ChangefeedTLSCA, c.ChangefeedTLSCert, c.ChangefeedTLSKey)
	for variable, files := range map[string]*tlsfiles.Files{"TIDB_SSL_CA": c.tidbTLS(), "KAFKA_TLS_CA": c.Kafka().TLS} {
		if files == nil {
			continue
		}
		_, err := tlsfiles.Files{CA: files.CA}.Config("")
		check(variable, err == nil, "%v", err)
	}
	validatePair(check, "TIDB_SSL_CERT", c.tidbTLS())
	validatePair(check, "KAFKA_TLS_CERT", c.Kafka().TLS)
	validateSASL(check, "KAFKA_SASL_", c.KafkaSASL, c.KafkaSASLUsername, c.KafkaSASLPassword)
	validateSASL(check, "CHANGEFEED_KAFKA_SASL_", c.ChangefeedSASL, c.ChangefeedSASLUsername, c.ChangefeedSASLPassword)
}

// validateTLS checks the variables that begin with a prefix, which turns TLS
// on.
func validateTLS(check func(string, bool, string, ...any), prefix string, on bool, ca, cert, key string) {
	check(prefix, on || ca+cert+key == "", "want true because %s_CA, _CERT or _KEY is set, or none of them", prefix)
	check(prefix+"_KEY", (cert == "") == (key == ""), "want both or none of %s_CERT and %s_KEY", prefix, prefix)
}

// validatePair checks the client's own certificate, unless a part is missing.
func validatePair(check func(string, bool, string, ...any), variable string, files *tlsfiles.Files) {
	if files == nil || files.Cert == "" || files.Key == "" {
		return
	}
	_, err := tlsfiles.Files{Cert: files.Cert, Key: files.Key}.Config("")
	check(variable, err == nil, "%v", err)
}

func validateSASL(check func(string, bool, string, ...any), prefix, mechanism, username string, password domain.Secret) {
	switch mechanism {
	case "":
		check(prefix+"MECHANISM", username == "" && password.IsEmpty(), "want %s or %s because %sUSERNAME or _PASSWORD is set",
			kafka.ScramSHA256, kafka.ScramSHA512, prefix)
	case kafka.ScramSHA256, kafka.ScramSHA512:
		check(prefix+"USERNAME", username != "", "needed with %sMECHANISM", prefix)
		check(prefix+"PASSWORD", !password.IsEmpty(), "needed with %sMECHANISM", prefix)
	default:
		check(prefix+"MECHANISM", false, "want %s or %s, got %q", kafka.ScramSHA256, kafka.ScramSHA512, mechanism)
	}
}
