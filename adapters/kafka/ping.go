package kafka

import (
	"context"
	"errors"
	"fmt"

	"github.com/IBM/sarama"
)

// Ping returns nil as soon as any of the brokers answers a request, and an
// error when none has until ctx ends.
func (b Brokers) Ping(ctx context.Context) error {
	answers := make(chan error, len(b))
	for _, address := range b {
		go func() {
			if err := pingBroker(ctx, address); err != nil {
				answers <- fmt.Errorf("broker %s: %w", address, err)
				return
			}
			answers <- nil
		}()
	}
	var faults []error
	for range b {
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

func pingBroker(ctx context.Context, address string) error {
	broker := sarama.NewBroker(address)
	if err := broker.Open(newConfig(ctx)); err != nil {
		return err
	}
	if _, err := broker.Connected(); err != nil {
		return err
	}
	_, err := broker.ApiVersions(&sarama.ApiVersionsRequest{})
	return errors.Join(err, broker.Close())
}
