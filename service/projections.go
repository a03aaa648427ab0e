package service

import (
	"context"
	"errors"
	"fmt"
	"time"

	"helfy/adapters/tidb"
	"helfy/app/projection"
	"helfy/app/query"
)

// GenerationStatus says how a generation of a projection is doing.
type GenerationStatus struct {
	Projection string                     `json:"projection"`
	Generation int                        `json:"generation"`
	State      projection.GenerationState `json:"state"`
	BeganAt    time.Time                  `json:"beganAt"`
	LiveSince  *time.Time                 `json:"liveSince"`
	// CompleteThrough is nil before every partition has had a watermark.
	CompleteThrough *time.Time `json:"completeThrough"`
	// Lag is the number of messages that it has not read yet.
	Lag         int64 `json:"lag"`
	DeadLetters int64 `json:"deadLetters"`
}

// Projections returns the generations of every projection, but for those of
// which nothing is left.
func (c Config) Projections(ctx context.Context) (all []GenerationStatus, err error) {
	db, err := tidb.Open(c.tidb())
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	for _, one := range c.projections(db, nil) {
		statuses, err := c.generationStatuses(ctx, one)
		if err != nil {
			return nil, fmt.Errorf("look at projection %s: %w", one.name(), err)
		}
		all = append(all, statuses...)
	}
	return all, nil
}

func (c Config) generationStatuses(ctx context.Context, one registered) ([]GenerationStatus, error) {
	partitions, err := c.partitions(ctx, one.topics())
	if err != nil {
		return nil, err
	}
	generations := one.generations()
	list, err := generations.List(ctx)
	if err != nil {
		return nil, err
	}
	var all []GenerationStatus
	for _, generation := range list {
		if generation.State == projection.Pruned {
			continue
		}
		status := GenerationStatus{
			Projection: one.name(), Generation: generation.Number, State: generation.State, BeganAt: generation.BeganAt,
		}
		if !generation.LiveSince.IsZero() {
			status.LiveSince = &generation.LiveSince
		}
		status.CompleteThrough = query.CompleteThroughTime(generation.CompleteThrough)
		if status.Lag, status.DeadLetters, err = generations.Backlog(ctx, generation.Number, partitions); err != nil {
			return nil, err
		}
		all = append(all, status)
	}
	return all, nil
}
