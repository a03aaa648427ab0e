// Package service wires the parts together. It is the only place that knows
// them all.
package service

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"net/url"
	"reflect"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/caarlos0/env/v11"

	"helfy/domain"
)

// Config is the configuration, all of it from the environment.
type Config struct {
	Host string `env:"HOST" doc:"address that HTTP listens on, empty for all"`
	Port int    `env:"PORT" envDefault:"3000" doc:"port that HTTP listens on"`

	MetricsAddress string `env:"METRICS_ADDRESS" doc:"host:port where /metrics can be read by Prometheus, without a login; empty for nowhere"`

	TracesExporter     string `env:"OTEL_TRACES_EXPORTER" doc:"otlp sends traces, none does not; if empty they are sent when one of the next two is set"`
	OTLPEndpoint       string `env:"OTEL_EXPORTER_OTLP_ENDPOINT" doc:"OpenTelemetry collector that traces are sent to, http://host:port; /v1/traces is appended"`
	OTLPTracesEndpoint string `env:"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT" doc:"the same as a whole URL; counts more"`
	OTLPProtocol       string `env:"OTEL_EXPORTER_OTLP_PROTOCOL" doc:"how, http/protobuf if empty; docs/operations.md names the other OTEL_ variables"`

	TiDBHost     string        `env:"TIDB_HOST" envDefault:"127.0.0.1" doc:"TiDB's address"`
	TiDBPort     int           `env:"TIDB_PORT" envDefault:"4000" doc:"TiDB's MySQL port"`
	TiDBUser     string        `env:"TIDB_USER" envDefault:"root" doc:"TiDB user"`
	TiDBPassword domain.Secret `env:"TIDB_PASSWORD" doc:"TiDB user's password"`
	TiDBDatabase string        `env:"TIDB_DATABASE" envDefault:"helfy" doc:"database, created by migrate up"`
	TiDBSSL      bool          `env:"TIDB_SSL" envDefault:"false" doc:"connect to TiDB by TLS"`
	TiDBSSLCA    string        `env:"TIDB_SSL_CA" doc:"file of the authorities that may have signed TiDB's certificate (PEM), those of the system if empty"`
	TiDBSSLCert  string        `env:"TIDB_SSL_CERT" doc:"file of the client's own certificate for TiDB (PEM), empty for none"`
	TiDBSSLKey   string        `env:"TIDB_SSL_KEY" doc:"file of its private key"`
	TiDBMaxConns int           `env:"TIDB_MAX_CONNS" envDefault:"32" doc:"greatest number of connections to TiDB of a process that serves HTTP"`

	KafkaBrokers     []string `env:"KAFKA_BROKERS" envDefault:"127.0.0.1:9092" doc:"Kafka brokers as host:port, separated by commas"`
	KafkaPartitions  int      `env:"KAFKA_PARTITIONS" envDefault:"4" doc:"partitions of each topic"`
	KafkaReplication int      `env:"KAFKA_REPLICATION" envDefault:"1" doc:"replicas of each partition"`
	ChangesTopic     string   `env:"KAFKA_CHANGES_TOPIC" envDefault:"tidb-cdc-events" doc:"topic of the changes of users"`
	EventsTopic      string   `env:"KAFKA_EVENTS_TOPIC" envDefault:"user-events" doc:"topic of the events"`
	ConsumerGroup    string   `env:"KAFKA_CONSUMER_GROUP" envDefault:"helfy-audit" doc:"prefix of the names of the consumer groups"`

	KafkaTLS          bool          `env:"KAFKA_TLS" envDefault:"false" doc:"connect to Kafka by TLS"`
	KafkaTLSCA        string        `env:"KAFKA_TLS_CA" doc:"file of the authorities that may have signed the brokers' certificates (PEM), those of the system if empty"`
	KafkaTLSCert      string        `env:"KAFKA_TLS_CERT" doc:"file of the client's own certificate for Kafka (PEM), empty for none"`
	KafkaTLSKey       string        `env:"KAFKA_TLS_KEY" doc:"file of its private key"`
	KafkaSASL         string        `env:"KAFKA_SASL_MECHANISM" doc:"how to sign in at Kafka: SCRAM-SHA-256 or SCRAM-SHA-512; empty for not at all"`
	KafkaSASLUsername string        `env:"KAFKA_SASL_USERNAME" doc:"who to be there"`
	KafkaSASLPassword domain.Secret `env:"KAFKA_SASL_PASSWORD" doc:"password of KAFKA_SASL_USERNAME"`

	TiCDCURL          string   `env:"TICDC_URL" envDefault:"http://127.0.0.1:8300" doc:"TiCDC's HTTP API"`
	ChangefeedID      string   `env:"CHANGEFEED_ID" envDefault:"helfy" doc:"changefeed's id"`
	ChangefeedBrokers []string `env:"CHANGEFEED_KAFKA_BROKERS" doc:"brokers as TiCDC sees them, KAFKA_BROKERS if empty"`

	ChangefeedTLS          bool          `env:"CHANGEFEED_KAFKA_TLS" envDefault:"false" doc:"let TiCDC connect to Kafka by TLS; this and what follows is for the changefeed alone, KAFKA_TLS and the others do not count for it"`
	ChangefeedTLSCA        string        `env:"CHANGEFEED_KAFKA_TLS_CA" doc:"file as KAFKA_TLS_CA, where TiCDC sees it"`
	ChangefeedTLSCert      string        `env:"CHANGEFEED_KAFKA_TLS_CERT" doc:"file as KAFKA_TLS_CERT, where TiCDC sees it"`
	ChangefeedTLSKey       string        `env:"CHANGEFEED_KAFKA_TLS_KEY" doc:"file of its private key, where TiCDC sees it"`
	ChangefeedSASL         string        `env:"CHANGEFEED_KAFKA_SASL_MECHANISM" doc:"how TiCDC signs in at Kafka: SCRAM-SHA-256 or SCRAM-SHA-512; empty for not at all"`
	ChangefeedSASLUsername string        `env:"CHANGEFEED_KAFKA_SASL_USERNAME" doc:"who TiCDC is there"`
	ChangefeedSASLPassword domain.Secret `env:"CHANGEFEED_KAFKA_SASL_PASSWORD" doc:"password of CHANGEFEED_KAFKA_SASL_USERNAME; TiCDC keeps it in the changefeed's definition and does not show it"`

	KeyFile             string        `env:"HELFY_KEY_FILE" doc:"file of the keys that seal events, credentials and sessions; helfy key create makes one"`
	SessionTTL          time.Duration `env:"SESSION_TTL" envDefault:"24h" doc:"how long a session lasts"`
	SessionIdle         time.Duration `env:"SESSION_IDLE" envDefault:"2h" doc:"how long a session lasts without use, known to the minute; 0 for no such bound"`
	HashConcurrency     int           `env:"LOGIN_HASH_CONCURRENCY" envDefault:"8" doc:"greatest number of logins at once that have or wait for a processor to hash their password, LOGIN_HASH_MEMORY_KIB for each; logins beyond are answered 503"`
	HashMemoryKiB       uint32        `env:"LOGIN_HASH_MEMORY_KIB" envDefault:"19456" doc:"memory of a password hash (argon2id) in KiB; a password is hashed anew at its next login when this or the next two change; helfy hash calibrate proposes all three"`
	HashTime            uint32        `env:"LOGIN_HASH_TIME" envDefault:"2" doc:"passes of a password hash over its memory"`
	HashThreads         uint8         `env:"LOGIN_HASH_THREADS" envDefault:"1" doc:"threads of a password hash"`
	MaxFailures         int           `env:"LOGIN_MAX_FAILURES" envDefault:"10" doc:"failed logins of one user that lock, 0 for never: wrong passwords, not what is refused because the user is locked or disabled, nor what is answered 429 or 503; those from a network that the user has signed in from count for themselves"`
	FailureWindow       time.Duration `env:"LOGIN_FAILURE_WINDOW" envDefault:"15m" doc:"time within which failed logins add up"`
	LockTime            time.Duration `env:"LOGIN_LOCK_TIME" envDefault:"30s" doc:"how long a first lock lasts; each one after it twice as long"`
	LockMax             time.Duration `env:"LOGIN_LOCK_MAX" envDefault:"15m" doc:"greatest time of a lock, at most 24h"`
	RatePerIP           int           `env:"LOGIN_RATE_PER_IP" envDefault:"120" doc:"logins a minute from one address (IPv6: one /64), 0 for no limit; those beyond are answered 429, and are neither events nor failures"`
	RatePerName         int           `env:"LOGIN_RATE_PER_NAME" envDefault:"60" doc:"logins a minute with one name, 0 for no limit; those beyond are answered 429, and are neither events nor failures; a network that the user has signed in from has as many for itself"`
	FloodThreshold      int           `env:"LOGIN_FLOOD_THRESHOLD" envDefault:"20" doc:"refused logins of one user, or of one of the 16 chains of unknown names, that have an event each in a minute; those beyond are counted in one event; 0 for no threshold"`
	WebhookURL          domain.Secret `env:"WEBHOOK_URL" doc:"where notifications are posted, https; empty for nowhere"`
	WebhookSecrets      domain.Secret `env:"WEBHOOK_SECRETS" doc:"what they are signed with (Standard Webhooks): whsec_ and 24 to 64 bytes in base64; several, separated by commas, all sign"`
	WebhookAllowPrivate bool          `env:"WEBHOOK_ALLOW_PRIVATE" envDefault:"false" doc:"let WEBHOOK_URL be http, and lead to addresses that are not public"`

	SMTPAddress  string        `env:"SMTP_ADDRESS" doc:"host:port of the server that takes notifications as mail; empty for none"`
	SMTPTLS      string        `env:"SMTP_TLS" envDefault:"starttls" doc:"how the connection to it is protected: starttls, tls, or none"`
	SMTPUsername string        `env:"SMTP_USERNAME" doc:"who to be there, empty for nobody"`
	SMTPPassword domain.Secret `env:"SMTP_PASSWORD" doc:"password of SMTP_USERNAME"`
	MailFrom     string        `env:"MAIL_FROM" doc:"sender of the mails"`
	MailTo       []string      `env:"MAIL_TO" doc:"who gets them, separated by commas"`

	NotificationTimeout    time.Duration `env:"NOTIFICATION_TIMEOUT" envDefault:"10s" doc:"how long a try to send a notification may take; by mail, each of its three steps"`
	NotificationTries      int           `env:"NOTIFICATION_TRIES" envDefault:"20" doc:"greatest number of tries; what is refused (status 4xx, SMTP 5xx) is tried 5 times at most"`
	NotificationRetryFirst time.Duration `env:"NOTIFICATION_RETRY_FIRST" envDefault:"5s" doc:"pause after the first try; each one after it is three times as long, up to an hour"`
	NotificationRetryFor   time.Duration `env:"NOTIFICATION_RETRY_FOR" envDefault:"24h" doc:"greatest time of all tries"`
	NotificationMaxAge     time.Duration `env:"NOTIFICATION_MAX_AGE" envDefault:"168h" doc:"greatest age of a login or lock that a notification is sent of, at most 720h"`

	StreamViewers       int `env:"STREAM_MAX_VIEWERS" envDefault:"1000" doc:"greatest number of viewers of the audit stream at once; those beyond are answered 503"`
	StreamViewersByUser int `env:"STREAM_MAX_PER_USER" envDefault:"20" doc:"greatest number of them of one user; those beyond are answered 429"`
	StreamReplay        int `env:"STREAM_MAX_REPLAY" envDefault:"50000" doc:"greatest number of Kafka records that are read again for a viewer who comes back; one who missed more begins anew. Each partition gets a watermark about every second"`

	TrustedProxies []netip.Prefix `env:"TRUSTED_PROXIES" doc:"networks whose X-Forwarded-For and X-Forwarded-Proto are believed, separated by commas"`
	ShutdownGrace  time.Duration  `env:"SHUTDOWN_GRACE" envDefault:"0s" doc:"how long HTTP goes on after SIGTERM while /readyz already refuses, so that a load balancer can notice"`
	StartTimeout   time.Duration  `env:"START_TIMEOUT" envDefault:"60s" doc:"how long a command waits for TiDB, Kafka and TiCDC, and for the tables and topics, until it gives up"`
	LogLevel       string         `env:"LOG_LEVEL" envDefault:"info" doc:"debug, info, warn or error"`
	Dev            bool           `env:"HELFY_DEV" envDefault:"false" doc:"development: user create takes weak passwords"`
}

// ReadConfig reads an environment, in the form of os.Environ. Its error joins
// all faults, each with its variable's name. Only with needsKey the key file
// must be there.
func ReadConfig(environ []string, needsKey bool) (Config, error) {
	var config Config
	environment := env.ToMap(environ)
	faults := readSecretFiles(environment)
	err := env.ParseWithOptions(&config, env.Options{Environment: environment, FuncMap: map[reflect.Type]env.ParserFunc{
		reflect.TypeFor[domain.Secret](): func(text string) (any, error) { return domain.NewSecret(text), nil },
	}})
	malformed := malformed(err)
	for _, field := range fields() {
		variable := field.Tag.Get("env")
		if fault, ok := malformed[variable]; ok {
			faults = append(faults, fmt.Errorf("%s: %w (%s)", variable, fault, field.Tag.Get("doc")))
		}
	}
	config.validate(func(variable string, ok bool, format string, args ...any) {
		if malformed[variable] == nil && !ok {
			faults = append(faults, fmt.Errorf(variable+": "+format, args...))
		}
	})
	if needsKey {
		if _, err := config.readKeyring(); err != nil {
			faults = append(faults, err)
		}
	}
	if len(config.ChangefeedBrokers) == 0 {
		config.ChangefeedBrokers = config.KafkaBrokers
	}
	return config, errors.Join(faults...)
}

func fields() []reflect.StructField { return slices.Collect(reflect.TypeFor[Config]().Fields()) }

// malformed gives the fault of each variable that could not be parsed; the
// library names the field.
func malformed(err error) map[string]error {
	faults := map[string]error{}
	var all env.AggregateError
	if !errors.As(err, &all) {
		return faults
	}
	for _, fault := range all.Errors {
		var parse env.ParseError
		if !errors.As(fault, &parse) {
			continue
		}
		if field, ok := reflect.TypeFor[Config]().FieldByName(parse.Name); ok {
			faults[field.Tag.Get("env")] = parse.Err
		}
	}
	return faults
}

func (c Config) validate(check func(variable string, ok bool, format string, args ...any)) {
	check("PORT", c.Port >= 0 && c.Port <= 65535, "%d is no port", c.Port)
	_, _, err := net.SplitHostPort(c.MetricsAddress)
	check("METRICS_ADDRESS", c.MetricsAddress == "" || err == nil, "%q is not host:port", c.MetricsAddress)
	c.validateTraces(check)
	check("TIDB_PORT", c.TiDBPort > 0 && c.TiDBPort <= 65535, "%d is no port", c.TiDBPort)
	check("TIDB_DATABASE", c.TiDBDatabase != "" && len(c.TiDBDatabase) <= 64, "want 1 to 64 characters")
	check("TIDB_MAX_CONNS", c.TiDBMaxConns > 0, "want at least 1, got %d", c.TiDBMaxConns)
	check("KAFKA_PARTITIONS", c.KafkaPartitions > 0, "want at least 1, got %d", c.KafkaPartitions)
	check("KAFKA_REPLICATION", c.KafkaReplication > 0, "want at least 1, got %d", c.KafkaReplication)
	check("KAFKA_EVENTS_TOPIC", c.ChangesTopic != c.EventsTopic, "must not be KAFKA_CHANGES_TOPIC, %q", c.ChangesTopic)
	check("SESSION_TTL", c.SessionTTL > 0, "want more than 0, got %s", c.SessionTTL)
	check("SESSION_IDLE", c.SessionIdle >= 0, "want at least 0, got %s", c.SessionIdle)
	check("START_TIMEOUT", c.StartTimeout > 0, "want more than 0, got %s", c.StartTimeout)
	check("SHUTDOWN_GRACE", c.ShutdownGrace >= 0, "want at least 0, got %s", c.ShutdownGrace)
	check("LOGIN_HASH_CONCURRENCY", c.HashConcurrency > 0, "want at least 1, got %d", c.HashConcurrency)
	check("LOGIN_HASH_MEMORY_KIB", c.hashParams().Check() == nil, "with LOGIN_HASH_TIME and LOGIN_HASH_THREADS: %v", c.hashParams().Check())
	check("LOGIN_MAX_FAILURES", c.MaxFailures >= 0, "want at least 0, got %d", c.MaxFailures)
	check("LOGIN_FAILURE_WINDOW", c.FailureWindow > 0, "want more than 0, got %s", c.FailureWindow)
	check("LOGIN_LOCK_TIME", c.LockTime > 0, "want more than 0, got %s", c.LockTime)
	check("LOGIN_LOCK_MAX", c.LockMax >= c.LockTime && c.LockMax <= 24*time.Hour, "want LOGIN_LOCK_TIME (%s) to 24h, got %s", c.LockTime, c.LockMax)
	check("LOGIN_RATE_PER_IP", c.RatePerIP >= 0, "want at least 0, got %d", c.RatePerIP)
	check("LOGIN_RATE_PER_NAME", c.RatePerName >= 0, "want at least 0, got %d", c.RatePerName)
	check("LOGIN_FLOOD_THRESHOLD", c.FloodThreshold >= 0, "want at least 0, got %d", c.FloodThreshold)
	check("STREAM_MAX_VIEWERS", c.StreamViewers > 0, "want at least 1, got %d", c.StreamViewers)
	check("STREAM_MAX_PER_USER", c.StreamViewersByUser > 0, "want at least 1, got %d", c.StreamViewersByUser)
	check("STREAM_MAX_REPLAY", c.StreamReplay > 0, "want at least 1, got %d", c.StreamReplay)
	c.validateNotifications(check)
	c.validateConnections(check)
	for variable, brokers := range map[string][]string{"KAFKA_BROKERS": c.KafkaBrokers, "CHANGEFEED_KAFKA_BROKERS": c.ChangefeedBrokers} {
		for _, broker := range brokers {
			_, _, err := net.SplitHostPort(broker)
			check(variable, err == nil, "%q is not host:port", broker)
		}
	}
	address, err := url.Parse(c.TiCDCURL)
	check("TICDC_URL", err == nil && (address.Scheme == "http" || address.Scheme == "https") && address.Host != "",
		"want http://host:port, got %q", c.TiCDCURL)
	_, err = c.logLevel()
	check("LOG_LEVEL", err == nil, "want debug, info, warn or error, got %q", c.LogLevel)
}

// DescribeConfig lists every variable with its meaning and default, and [_FILE]
// at those that can be in a file.
func DescribeConfig(w io.Writer) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, field := range fields() {
		name, value := field.Tag.Get("env"), field.Tag.Get("envDefault")
		if value != "" {
			value = "[" + value + "]"
		}
		if isSecret(field) {
			name += "[" + fileSuffix + "]"
		}
		if _, err := fmt.Fprintf(table, "  %s\t%s %s\n", name, field.Tag.Get("doc"), value); err != nil {
			return err
		}
	}
	return table.Flush()
}
