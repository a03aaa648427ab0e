package kafka

import (
	"context"
	"errors"
	"fmt"

	"github.com/IBM/sarama"
)

// Ping returns nil as soon as any of the brokers answers a request, and an
// error when none has until ctx ends.
func (c Cluster) Ping(ctx context.Context) error {
	answers := make(chan error, len(c.Brokers))
	for _, address := range c.Brokers {
		go func() {
			if err := c.pingBroker(ctx, address); err != nil {
				answers <- fmt.Errorf("broker %s: %w", address, err)
				return
			}
			answers <- nil
		}()
	}
	var faults []error
	for range c.Brokers {
		select {
		case err := <-answers:
			if err == nil {
				return nil
			}
			faults = append(faults, err)
		case <-ctx.Done():
			return fmt.Errorf("no Kafka broker answers: %w", errors.Join(append(faults, ctx.Err())...))
		}
	}
	return fmt.Errorf("no Kafka broker answers: %w", errors.Join(faults...))
}

func (c Cluster) pingBroker(ctx context.Context, address string) error {
	config, err := c.newConfig(ctx)
	if err != nil {
		return err
	}
	broker := sarama.NewBroker(address)
	if err := broker.Open(config); err != nil {
		return err
	}
	if _, err := broker.Connected(); err != nil {
		return c.explain(err)
	}
	_, err = broker.ApiVersions(&sarama.ApiVersionsRequest{})
	return errors.Join(c.explain(err), broker.Close())
}
