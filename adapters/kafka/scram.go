package kafka

import (
	"fmt"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/scram"
	xdg "github.com/xdg-go/scram"

	"helfy/domain"
)

// The mechanisms of SASL.
const (
	ScramSHA256 = sarama.SASLTypeSCRAMSHA256
	ScramSHA512 = sarama.SASLTypeSCRAMSHA512
)

// SASL is who to be at the brokers.
type SASL struct {
	// Mechanism is one of those above, or empty for nobody.
	Mechanism string
	Username  string
	Password  domain.Secret
}

// apply tells sarama, which leaves the exchange to another library.
func (s SASL) apply(config *sarama.Config) {
	if s.Mechanism == "" {
		return
	}
	hash := xdg.SHA256
	if s.Mechanism == ScramSHA512 {
		hash = xdg.SHA512
	}
	config.Net.SASL.Enable = true
	config.Net.SASL.Mechanism = sarama.SASLMechanism(s.Mechanism)
	config.Net.SASL.User, config.Net.SASL.Password = s.Username, s.Password.Reveal()
	config.Net.SASL.SCRAMClientGeneratorFunc = func() sarama.SCRAMClient { return &conversation{hash: hash} }
}

// mechanism is the same for franz-go.
func (s SASL) mechanism() sasl.Mechanism {
	auth := scram.Auth{User: s.Username, Pass: s.Password.Reveal()}
	if s.Mechanism == ScramSHA512 {
		return auth.AsSha512Mechanism()
	}
	return auth.AsSha256Mechanism()
}

// conversation implements sarama.SCRAMClient.
type conversation struct {
	hash xdg.HashGeneratorFcn
	*xdg.ClientConversation
}

// Begin implements sarama.SCRAMClient.
func (c *conversation) Begin(user, password, authorization string) error {
	client, err := c.hash.NewClient(user, password, authorization)
	if err != nil {
		return fmt.Errorf("prepare %s for SCRAM: %w", user, err)
	}
	c.ClientConversation = client.NewConversation()
	return nil
}
