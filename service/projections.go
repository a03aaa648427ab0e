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

// Projections returns the generations of every projection, but for those of
// which nothing is left. With digests it reads all their rows.
func (c Config) Projections(ctx context.Context, digests bool) (all []query.GenerationStatus, err error) {
	db, err := tidb.Open(c.tidb())
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	for _, one := range c.projections(db, nil) {
		statuses, _, err := c.generationStatuses(ctx, db, one)
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

// listTimeout bounds how long Kafka and the database are asked for projections.
const listTimeout = 8 * time.Second

// listedProjections lists projections, at most once a second: each time asks
// Kafka and the database.
type listedProjections struct {
	list func(context.Context) listed
}

type listed struct {
	all query.Projections
	err error
}

// Handle returns how all projections are doing.
func (l listedProjections) Handle(ctx context.Context) (query.Projections, error) {
	answer := l.list(ctx)
	return answer.all, answer.err
}

// listProjections returns how all projections and their last rebuilds are
// doing.
func (c Config) listProjections(ctx context.Context, db *sql.DB) (all query.Projections, err error) {
	for _, one := range c.projections(db, nil) {
		// Read first: a run that ends meanwhile is running still, not cut off.
		run, err := tidb.NewRebuilds(db).Last(ctx, one.name())
		if err != nil {
			return all, err
		}
		statuses, holder, err := c.generationStatuses(ctx, db, one)
		if err != nil {
			return all, fmt.Errorf("look at projection %s: %w", one.name(), err)
		}
		all.Generations = append(all.Generations, statuses...)
		if run == nil {
			continue
		}
		if run.State == projection.RunRunning && holder == "" {
			if run, err = tidb.NewRebuilds(db).Last(ctx, one.name()); err != nil || run == nil {
				return all, err
			}
		}
		all.Rebuilds = append(all.Rebuilds, query.NewRebuildStatus(*run, holder, statuses, time.Now()))
	}
	return all, nil
}

// generationStatuses returns those of a projection, and who is at work on it.
func (c Config) generationStatuses(ctx context.Context, db *sql.DB, one registered) (all []query.GenerationStatus, holder string, err error) {
	partitions, err := c.partitions(ctx, one.topics())
	if err != nil {
		return nil, "", err
	}
	list, err := one.generations().List(ctx)
	if err != nil {
		return nil, "", err
	}
	if holder, err = tidb.HeldBy(ctx, db, c.lockOf(one.name())); err != nil {
		return nil, "", err
	}
	messages := int64(0)
	for _, p := range partitions {
		messages += p.End - p.Earliest
	}
	for _, generation := range list {
		if generation.State == projection.Pruned {
			continue
		}
		backlog, err := one.generations().Backlog(ctx, generation.Number, partitions)
		if err != nil {
			return nil, "", err
		}
		status := newGenerationStatus(one.name(), generation, backlog)
		status.AtWork, status.Messages = holder, messages
		all = append(all, status)
	}
	return all, holder, nil
}

func newGenerationStatus(name string, generation projection.Generation, backlog tidb.Backlog) query.GenerationStatus {
	status := query.GenerationStatus{
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
func addDigests(ctx context.Context, generations tidb.Generations, statuses []query.GenerationStatus) error {
	var numbers []int
	var fed []*query.GenerationStatus
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
