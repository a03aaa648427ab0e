package kafka

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// ErrRefused says that a broker was reached and that it and the client do not
// get on: another try does not help, the configuration must be changed. The
// error that wraps it names the variable.
var ErrRefused = errors.New("refused")

// explain wraps an error of a connection so that it says which variable to look
// at. What is not the configuration's fault is returned as it is.
func (c Cluster) explain(err error) error {
	if err == nil || errors.Is(err, ErrRefused) {
		return err
	}
	if look := variableOf(err); look != "" {
		return fmt.Errorf("%w: look at %s: %w", ErrRefused, look, err)
	}
	// A broker that is going down, or has too much to do, does the same.
	var (
		first   *kgo.ErrFirstReadEOF
		network net.Error
	)
	switch {
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.As(err, &first):
		return fmt.Errorf("the broker hung up (if it always does, look at KAFKA_TLS and the variables KAFKA_SASL_…): %w", err)
	case c.TLS != nil && errors.As(err, &network) && network.Timeout():
		return fmt.Errorf("the broker does not answer (if it never does, look at KAFKA_TLS): %w", err)
	}
	return err
}

func variableOf(err error) string {
	var (
		certificate *tls.CertificateVerificationError
		host        x509.HostnameError
		plaintext   tls.RecordHeaderError
		remote      *net.OpError
		garbage     sarama.PacketDecodingError
	)
	switch {
	case errors.As(err, &host):
		return "KAFKA_BROKERS, whose names must be those in the certificate"
	case errors.As(err, &certificate):
		return "KAFKA_TLS_CA"
	case errors.As(err, &plaintext):
		return "KAFKA_TLS, because the broker does not speak TLS"
	case errors.As(err, &remote) && remote.Op == "remote error":
		return "KAFKA_TLS_CERT and KAFKA_TLS_KEY"
	case errors.Is(err, sarama.ErrSASLAuthenticationFailed) || errors.Is(err, kerr.SaslAuthenticationFailed):
		return "KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD"
	case errors.Is(err, sarama.ErrUnsupportedSASLMechanism) || errors.Is(err, kerr.UnsupportedSaslMechanism),
		errors.Is(err, sarama.ErrIllegalSASLState) || errors.Is(err, kerr.IllegalSaslState):
		return "KAFKA_SASL_MECHANISM"
	case errors.Is(err, sarama.ErrTopicAuthorizationFailed) || errors.Is(err, kerr.TopicAuthorizationFailed),
		errors.Is(err, sarama.ErrGroupAuthorizationFailed) || errors.Is(err, kerr.GroupAuthorizationFailed),
		errors.Is(err, sarama.ErrClusterAuthorizationFailed) || errors.Is(err, kerr.ClusterAuthorizationFailed):
		return "the rights (ACLs) of KAFKA_SASL_USERNAME"
	case errors.As(err, &garbage):
		return "KAFKA_TLS, because the broker does not speak the protocol in plain text"
	}
	return ""
}
