package kafka

import (
	"errors"
	"net"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kerr"
)

// IsOutage reports whether what was asked of Kafka may succeed when it is
// asked again: no broker could be reached, or none leads the partition. What wraps
// ErrRefused is none.
func IsOutage(err error) bool {
	if errors.Is(err, ErrRefused) {
		return false
	}
	var network net.Error
	return errors.Is(err, sarama.ErrOutOfBrokers) || errors.Is(err, sarama.ErrBrokerNotAvailable) ||
		errors.Is(err, sarama.ErrNotConnected) || errors.Is(err, sarama.ErrClosedClient) ||
		errors.Is(err, sarama.ErrLeaderNotAvailable) || errors.Is(err, sarama.ErrNotLeaderForPartition) ||
		kerr.IsRetriable(err) || errors.As(err, &network)
}
