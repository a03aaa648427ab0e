// Package kafka reads topics and looks after them.
package kafka

import (
	"fmt"
	"time"

	"github.com/IBM/sarama"
)

// timeout bounds one request to a broker.
const timeout = 5 * time.Second

// newConfig returns the settings that every client shares.
func newConfig() *sarama.Config {
	config := sarama.NewConfig()
	config.ClientID = "helfy"
	config.Net.DialTimeout = timeout
	config.Net.ReadTimeout = timeout
	config.Net.WriteTimeout = timeout
	config.Admin.Timeout = timeout
	config.Admin.Retry.Max = 3
	config.Metadata.Retry.Max = 1
	config.Metadata.Timeout = timeout
	config.Metadata.AllowAutoTopicCreation = false
	return config
}

// Brokers are the addresses of a Kafka cluster, as host:port. Any of them
// leads to the others. Their methods are safe for concurrent use.
type Brokers []string

// withAdmin runs work with an administrator's client of the cluster.
func (b Brokers) withAdmin(work func(sarama.ClusterAdmin) error) (err error) {
	admin, err := sarama.NewClusterAdmin(b, newConfig())
	if err != nil {
		return fmt.Errorf("connect to Kafka at %v: %w", b, err)
	}
	defer func() {
		if closeErr := admin.Close(); err == nil && closeErr != nil {
			err = fmt.Errorf("close Kafka client: %w", closeErr)
		}
	}()
	return work(admin)
}
