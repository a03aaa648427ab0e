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
	"github.com/twmb/franz-go/pkg/kgo"

	"helfy/adapters/tlsfiles"
)

// timeout bounds one request to a broker.
const timeout = 5 * time.Second

// Cluster is a Kafka cluster, and how to reach it. Its methods are safe for
// concurrent use. Their errors wrap ErrRefused if another try does not help.
type Cluster struct {
	// Brokers are addresses as host:port. Any of them leads to the others.
	Brokers []string
	// TLS has the certificates; nil for connections in plain text. The files
	// are read for each new client.
	TLS  *tlsfiles.Files
	SASL SASL
}

// newConfig returns the settings that every client of sarama shares. Dialling
// ends with ctx, which sarama itself does not know.
func (c Cluster) newConfig(ctx context.Context) (*sarama.Config, error) {
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
	c.SASL.apply(config)
	if c.TLS == nil {
		return config, nil
	}
	var err error
	config.Net.TLS.Enable = true
	if config.Net.TLS.Config, err = c.TLS.Config(""); err != nil {
		return nil, fmt.Errorf("connect to Kafka by TLS: %w", err)
	}
	return config, nil
}

// newClient returns a client of franz-go, without connecting.
func (c Cluster) newClient(options ...kgo.Opt) (*kgo.Client, error) {
	options = append(options, kgo.ClientID("helfy"), kgo.SeedBrokers(c.Brokers...), kgo.DialTimeout(timeout))
	if c.TLS != nil {
		config, err := c.TLS.Config("")
		if err != nil {
			return nil, fmt.Errorf("connect to Kafka by TLS: %w", err)
		}
		options = append(options, kgo.DialTLSConfig(config))
	}
	if c.SASL.Mechanism != "" {
		options = append(options, kgo.SASL(c.SASL.mechanism()))
	}
	client, err := kgo.NewClient(options...)
	if err != nil {
		return nil, fmt.Errorf("connect to Kafka at %v: %w", c.Brokers, err)
	}
	return client, nil
}

// dialer implements sarama's proxy dialer without any proxy.
type dialer struct{ ctx context.Context }

func (d dialer) Dial(network, address string) (net.Conn, error) {
	return (&net.Dialer{Timeout: timeout}).DialContext(d.ctx, network, address)
}

// withAdmin runs work with an administrator's client of the cluster. When ctx
// ends, the client's connections do.
func (c Cluster) withAdmin(ctx context.Context, work func(sarama.ClusterAdmin) error) error {
	config, err := c.newConfig(ctx)
	if err != nil {
		return err
	}
	client, err := sarama.NewClient(c.Brokers, config)
	if err != nil {
		return fmt.Errorf("connect to Kafka at %v: %w", c.Brokers, c.explain(err))
	}
	// sarama panics when two goroutines close one client at the same time.
	closeClient := sync.OnceValue(client.Close)
	stop := context.AfterFunc(ctx, func() { _ = closeClient() })
	defer stop()
	admin, err := sarama.NewClusterAdminFromClient(client)
	if err != nil {
		return errors.Join(fmt.Errorf("administrate Kafka at %v: %w", c.Brokers, c.explain(err)), closeClient())
	}
	if err := work(admin); err != nil {
		_ = closeClient() // work's error is the one that matters
		if ctx.Err() != nil {
			return fmt.Errorf("%w: %w", ctx.Err(), err)
		}
		return c.explain(err)
	}
	if err := closeClient(); err != nil && ctx.Err() == nil {
		return fmt.Errorf("close Kafka client: %w", err)
	}
	return nil
}
