package service

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"helfy/adapters/kafka"
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
	partitions, err := c.partitions(ctx)
	if err != nil {
		return nil, err
	}
	generations := tidb.NewAuditGenerations(db, c.auditLog(db))
	list, err := generations.List(ctx)
	if err != nil {
		return nil, err
	}
	for _, one := range list {
		if one.State == projection.Pruned {
			continue
		}
		status, err := c.generationStatus(ctx, db, generations, one, partitions)
		if err != nil {
			return nil, err
		}
		all = append(all, status)
	}
	return all, nil
}

func (c Config) generationStatus(
	ctx context.Context, db *sql.DB, generations tidb.Generations, one projection.Generation, partitions []projection.Partition,
) (GenerationStatus, error) {
	status := GenerationStatus{Projection: projection.AuditName, Generation: one.Number, State: one.State, BeganAt: one.BeganAt}
	if !one.LiveSince.IsZero() {
		status.LiveSince = &one.LiveSince
	}
	through, err := c.auditLog(db).Of(one.Number).CompleteThrough(ctx)
	if err != nil {
		return status, err
	}
	status.CompleteThrough = query.CompleteThroughTime(through)
	status.Lag, status.DeadLetters, err = generations.Backlog(ctx, one.Number, partitions)
	return status, err
}

// partitions returns the partitions of both topics.
func (c Config) partitions(ctx context.Context) ([]projection.Partition, error) {
	var all []projection.Partition
	for _, topic := range []string{c.ChangesTopic, c.EventsTopic} {
		partitions, err := kafka.Brokers(c.KafkaBrokers).Partitions(ctx, topic)
		if err != nil {
			return nil, err
		}
		all = append(all, partitions...)
	}
	return all, nil
}
