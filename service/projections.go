package service

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"helfy/adapters/tidb"
	"helfy/app/projection"
	"helfy/app/query"
	"helfy/domain"
)

// GenerationStatus says how a generation of a projection is doing.
type GenerationStatus struct {
	Projection string                     `json:"projection"`
	Generation int                        `json:"generation"`
	State      projection.GenerationState `json:"state"`
	BeganAt    time.Time                  `json:"beganAt"`
	LiveSince  *time.Time                 `json:"liveSince"`
	// CompleteThrough is nil while nothing is confirmed to be complete.
	CompleteThrough *time.Time `json:"completeThrough"`
	// Lag is the number of messages that it has not read yet, LagSeconds how
	// long ago its least watermark was, nil if it has none. A changefeed that
	// stands still makes the latter grow, but not the former.
	Lag        int64    `json:"lag"`
	LagSeconds *float64 `json:"lagSeconds"`
	// DeadLetters are open, WaivedDeadLetters are not.
	DeadLetters       int64 `json:"deadLetters"`
	WaivedDeadLetters int64 `json:"waivedDeadLetters"`
	// Digest is that of the rows up to DigestThrough, nil unless it was asked
	// for and the generation is fed; DiffersFromLive compares it with that of
	// the live one.
	Digest          *projection.Digest `json:"digest,omitempty"`
	DigestThrough   *time.Time         `json:"digestThrough,omitempty"`
	DiffersFromLive bool               `json:"differsFromLive,omitempty"`
	// AtWork says who builds, compares, switches or removes generations of
	// the projection just now; empty if nobody does.
	AtWork string `json:"atWork,omitempty"`
}

// Projections returns the generations of every projection, but for those of
// which nothing is left. With digests it reads all their rows.
func (c Config) Projections(ctx context.Context, digests bool) (all []GenerationStatus, err error) {
	db, err := tidb.Open(c.tidb())
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	for _, one := range c.projections(db, nil) {
		statuses, err := c.generationStatuses(ctx, db, one)
		if err == nil && digests {
			err = addDigests(ctx, one.generations(), statuses)
		}
		if err != nil {
			return nil, fmt.Errorf("look at projection %s: %w", one.name(), err)
		}
		all = append(all, statuses...)
	}
	return all, nil
}

func (c Config) generationStatuses(ctx context.Context, db *sql.DB, one registered) ([]GenerationStatus, error) {
	partitions, err := c.partitions(ctx, one.topics())
	if err != nil {
		return nil, err
	}
	list, err := one.generations().List(ctx)
	if err != nil {
		return nil, err
	}
	holder, err := tidb.HeldBy(ctx, db, c.lockOf(one.name()))
	if err != nil {
		return nil, err
	}
	var all []GenerationStatus
	for _, generation := range list {
		if generation.State == projection.Pruned {
			continue
		}
		backlog, err := one.generations().Backlog(ctx, generation.Number, partitions)
		if err != nil {
			return nil, err
		}
		status := newGenerationStatus(one.name(), generation, backlog)
		status.AtWork = holder
		all = append(all, status)
	}
	return all, nil
}

func newGenerationStatus(name string, generation projection.Generation, backlog tidb.Backlog) GenerationStatus {
	status := GenerationStatus{
		Projection: name, Generation: generation.Number, State: generation.State, BeganAt: generation.BeganAt,
		CompleteThrough: query.CompleteThroughTime(generation.CompleteThrough),
		Lag:             backlog.Messages, LagSeconds: secondsSince(backlog.Watermark),
		DeadLetters: backlog.Open, WaivedDeadLetters: backlog.Waived,
	}
	if !generation.LiveSince.IsZero() {
		status.LiveSince = &generation.LiveSince
	}
	return status
}

// secondsSince returns how long ago a TSO was, nil for 0. Clocks differ: it is
// never negative.
func secondsSince(ts uint64) *float64 {
	if ts == 0 {
		return nil
	}
	seconds := max(0, time.Since(domain.TimeOfTSO(ts)).Seconds())
	return &seconds
}

// addDigests adds the digests of the generations that are fed, up to where
// all of them are complete.
func addDigests(ctx context.Context, generations tidb.Generations, statuses []GenerationStatus) error {
	var numbers []int
	var fed []*GenerationStatus
	for i := range statuses {
		if statuses[i].State.IsFed() {
			numbers, fed = append(numbers, statuses[i].Generation), append(fed, &statuses[i])
		}
	}
	if len(numbers) == 0 {
		return nil
	}
	through, digests, err := generations.DigestAll(ctx, numbers)
	if err != nil {
		return err
	}
	var live projection.Digest
	for i, status := range fed {
		status.Digest = &digests[i]
		if through != projection.AllRows {
			status.DigestThrough = query.CompleteThroughTime(through)
		}
		if status.State == projection.Live {
			live = digests[i]
		}
	}
	for _, status := range fed {
		status.DiffersFromLive = *status.Digest != live
	}
	return nil
}
