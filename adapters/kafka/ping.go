package kafka

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/IBM/sarama"
)

// Ping reports whether any of the brokers answers a request.
func (b Brokers) Ping(ctx context.Context) error {
	var faults []error
	for _, address := range b {
		err := pingBroker(ctx, address)
		if err == nil {
			return nil
		}
		faults = append(faults, fmt.Errorf("broker %s: %w", address, err))
	}
	return fmt.Errorf("no Kafka broker answers: %w", errors.Join(faults...))
}

func pingBroker(ctx context.Context, address string) (err error) {
	config := newConfig()
	if deadline, ok := ctx.Deadline(); ok {
		left := max(time.Until(deadline), time.Millisecond)
		config.Net.DialTimeout, config.Net.ReadTimeout, config.Net.WriteTimeout = left, left, left
	}
	if _, _, err := net.SplitHostPort(address); err != nil {
		return err
	}
	broker := sarama.NewBroker(address)
	if err := broker.Open(config); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, broker.Close()) }()
	_, err = broker.ApiVersions(&sarama.ApiVersionsRequest{})
	return err
}
