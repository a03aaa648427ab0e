// Package kafka reads topics and looks after them.
package kafka

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/IBM/sarama"
)

// timeout bounds one request to a broker.
const timeout = 5 * time.Second

// Brokers are the addresses of a Kafka cluster, as host:port. Any of them
// leads to the others. Their methods are safe for concurrent use.
type Brokers []string

// newConfig returns the settings that every client shares. Dialling ends with
// ctx, which sarama itself does not know.
func newConfig(ctx context.Context) *sarama.Config {
	config := sarama.NewConfig()
	config.ClientID = "helfy"
	config.Net.ReadTimeout = timeout
	config.Net.WriteTimeout = timeout
	config.Net.Proxy.Enable = true
	config.Net.Proxy.Dialer = dialer{ctx}
	config.Admin.Timeout = timeout
	config.Admin.Retry.Max = 3
	config.Metadata.Retry.Max = 1
	config.Metadata.Timeout = timeout
	config.Metadata.AllowAutoTopicCreation = false
	return config
}

// dialer implements sarama's proxy dialer without any proxy.
type dialer struct{ ctx context.Context }

func (d dialer) Dial(network, address string) (net.Conn, error) {
	return (&net.Dialer{Timeout: timeout}).DialContext(d.ctx, network, address)
}

// withAdmin runs work with an administrator's client of the cluster. When ctx
// ends, the client's connections do.
func (b Brokers) withAdmin(ctx context.Context, work func(sarama.ClusterAdmin) error) error {
	client, err := sarama.NewClient(b, newConfig(ctx))
	if err != nil {
		return fmt.Errorf("connect to Kafka at %v: %w", b, err)
	}
	// sarama panics when two goroutines close one client at the same time.
	closeClient := sync.OnceValue(client.Close)
	stop := context.AfterFunc(ctx, func() { _ = closeClient() })
	defer stop()
	admin, err := sarama.NewClusterAdminFromClient(client)
	if err != nil {
		return errors.Join(fmt.Errorf("administrate Kafka at %v: %w", b, err), closeClient())
	}
	if err := work(admin); err != nil {
		_ = closeClient() // work's error is the one that matters
		if ctx.Err() != nil {
			return fmt.Errorf("%w: %w", ctx.Err(), err)
		}
		return err
	}
	if err := closeClient(); err != nil && ctx.Err() == nil {
		return fmt.Errorf("close Kafka client: %w", err)
	}
	return nil
}
