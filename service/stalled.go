package service

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"helfy/adapters/kafka"
	"helfy/app/projection"
	"helfy/app/query"
)

// stalled is a probe that tells which projections cannot read on, because
// Kafka does not hold what they need. That Kafka or the database is away is
// told by others.
func stalled(all []registered, observer *kafka.Observer) query.Probe {
	return func(ctx context.Context) error {
		var reasons []string
		for _, one := range all {
			if err := one.completeness(observer).Stalled(ctx); errors.Is(err, projection.ErrRetention) {
				reasons = append(reasons, fmt.Sprintf("%s: %v", one.name(), err))
			}
		}
		if reasons == nil {
			return nil
		}
		return errors.New(strings.Join(reasons, "; "))
	}
}
