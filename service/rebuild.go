package service

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"helfy/adapters/kafka"
	"helfy/adapters/tidb"
	"helfy/app/projection"
)

const (
	// rebuildConns is the size of the pool of a rebuild: it writes all
	// partitions side by side.
	rebuildConns = 16
	// rebuildTimeout bounds one answer of the database, which may be busy with
	// the rebuild itself.
	rebuildTimeout = 30 * time.Second
)

// The patience of a rebuild with TiDB and Kafka.
const (
	// outagePatience bounds how long it tries without getting anything done.
	outagePatience = time.Minute
	firstPause     = 200 * time.Millisecond
	maxPause       = 5 * time.Second
)

// Rebuild makes a projection anew from the topics and lets the result take
// the place of the live one. Its errors are those of projection.Rebuild,
// projection.ErrNoProjection and tidb.ErrHeld. progress is told a few times a
// second how far it is. While TiDB or Kafka is away it waits, for a minute at
// most, and goes on with what is built.
func (c Config) Rebuild(
	ctx context.Context, name string, options projection.RebuildOptions, progress func(projection.Progress),
) (rebuilt projection.Rebuilt, err error) {
	err = c.withTraces(ctx, slog.Default(), func() error {
		rebuilt, err = c.rebuildAs(ctx, name, options, rebuildHooks{by: atTerminal.Actor, progress: progress})
		return err
	})
	return rebuilt, err
}

// rebuildHooks are told of a rebuild as it goes on.
type rebuildHooks struct {
	by string // who asked for it
	// begun, if set, is called once the run is remembered: nobody else can be at
	// work on the projection, and nothing of it is changed yet. Its error ends
	// the rebuild.
	begun    func(context.Context) error
	progress func(projection.Progress) // may be nil
}

// rebuildAs is Rebuild, which remembers the run.
func (c Config) rebuildAs(
	ctx context.Context, name string, options projection.RebuildOptions, hooks rebuildHooks,
) (rebuilt projection.Rebuilt, err error) {
	pool := c.tidb()
	pool.MaxConns = 1
	db, err := tidb.Open(pool)
	if err != nil {
		return rebuilt, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	diary, err := newRebuildDiary(tidb.NewRebuilds(db), name, options, hooks)
	if err != nil {
		return rebuilt, err
	}
	rebuilt, err = c.rebuildPatiently(ctx, name, diary.keepDifferences(options), diary)
	return rebuilt, errors.Join(err, diary.end(ctx, rebuilt, err))
}

// rebuildPatiently rebuilds, and again after an outage.
func (c Config) rebuildPatiently(
	ctx context.Context, name string, options projection.RebuildOptions, diary *rebuildDiary,
) (rebuilt projection.Rebuilt, err error) {
	var (
		done    int64
		failing time.Time
		pause   time.Duration
		records int64
	)
	told := func(p projection.Progress) {
		if p.Done > done {
			done, failing = p.Done, time.Time{}
		}
		options.GoOn = true
		diary.told(ctx, p)
	}
	for {
		rebuilt, err = c.rebuild(ctx, name, options, rebuilt, diary, told)
		records += rebuilt.Records
		rebuilt.Records = records
		// The lock that an outage has cost may not be free at once.
		lost := !failing.IsZero() && errors.Is(err, tidb.ErrHeld)
		if err == nil || ctx.Err() != nil || !lost && !tidb.IsOutage(err) && !kafka.IsOutage(err) {
			return rebuilt, err
		}
		if failing.IsZero() {
			failing, pause = time.Now(), firstPause
		}
		if time.Since(failing) > outagePatience {
			return rebuilt, fmt.Errorf("gave up after %s; the next rebuild goes on where this one stopped: %w", outagePatience, err)
		}
		diary.told(ctx, projection.Progress{Stage: projection.StageWait, Generation: rebuilt.Generation, Done: done, Trouble: err})
		select {
		case <-time.After(pause):
			pause = min(2*pause, maxPause)
		case <-ctx.Done():
			return rebuilt, fmt.Errorf("%w: %w", ctx.Err(), err)
		}
	}
}

// rebuild tries once. before is what came of an earlier try, which may have
// got to its end without being told so.
func (c Config) rebuild(
	ctx context.Context, name string, options projection.RebuildOptions, before projection.Rebuilt, diary *rebuildDiary,
	progress func(projection.Progress),
) (rebuilt projection.Rebuilt, err error) {
	err = c.withProjection(ctx, name, func(ctx context.Context, one registered) error {
		if err := diary.begin(ctx); err != nil {
			return err
		}
		if before.Compared {
			live, err := one.generations().Live(ctx)
			if err != nil || live == before.Generation {
				rebuilt, rebuilt.Switched, rebuilt.Records = before, err == nil, 0
				return err
			}
		}
		rebuilt, err = one.rebuild(ctx, c, options, progress)
		return err
	})
	return rebuilt, err
}

// Rollback makes the generation live that was so before, and returns it. What
// is derived of its rows is brought up to date first, of which consumers leave
// little to do.
func (c Config) Rollback(ctx context.Context, name string) (number int, err error) {
	err = c.withProjection(ctx, name, func(ctx context.Context, one registered) error {
		if number, err = generationBefore(ctx, one); err != nil {
			return err
		}
		return switchBack(ctx, one, number)
	})
	return number, err
}

// rollbackTo makes a generation live again, if it is not.
func (c Config) rollbackTo(ctx context.Context, name string, number int) error {
	return c.withProjection(ctx, name, func(ctx context.Context, one registered) error {
		live, err := one.generations().Live(ctx)
		if err != nil || live == number {
			return err
		}
		return switchBack(ctx, one, number)
	})
}

// generationBefore returns the newest generation that was live before.
func generationBefore(ctx context.Context, one registered) (int, error) {
	all, err := one.generations().List(ctx)
	if err != nil {
		return 0, err
	}
	before := projection.Generation{}
	for _, one := range all {
		if one.State == projection.Standby && one.LiveSince.After(before.LiveSince) {
			before = one
		}
	}
	if before.Number == 0 {
		return 0, fmt.Errorf("no generation of %s that was live before is kept: %w", one.name(), projection.ErrNoGeneration)
	}
	return before.Number, nil
}

const (
	// levelPatience bounds how long a rollback waits for the consumers: the
	// live generation may have read a little further, when it was built.
	levelPatience = 30 * time.Second
	levelEvery    = 50 * time.Millisecond
)

// switchBack makes a standby live as soon as it is as complete as the live one.
func switchBack(ctx context.Context, one registered, number int) error {
	deadline := time.Now().Add(levelPatience)
	for {
		if err := one.derive(ctx, number); err != nil {
			return err
		}
		err := one.generations().Switch(ctx, number)
		if !errors.Is(err, projection.ErrBehind) {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("no consumer has made it as complete in %s: %w", levelPatience, err)
		}
		select {
		case <-time.After(levelEvery):
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", ctx.Err(), err)
		}
	}
}

// Prune removes every generation but the live one and returns their numbers.
func (c Config) Prune(ctx context.Context, name string) (removed []int, err error) {
	err = c.withProjection(ctx, name, func(ctx context.Context, one registered) error {
		generations := one.generations()
		all, err := generations.List(ctx)
		if err != nil {
			return err
		}
		for _, one := range all {
			if one.State == projection.Live || one.State == projection.Pruned {
				continue
			}
			if err := generations.Discard(ctx, one.Number); err != nil {
				return err
			}
			removed = append(removed, one.Number)
		}
		return nil
	})
	return removed, err
}

// withProjection works on the generations of a projection while nobody else
// does.
func (c Config) withProjection(ctx context.Context, name string, work func(context.Context, registered) error) (err error) {
	pool := c.tidb()
	pool.MaxConns, pool.Timeout, pool.Bulk = rebuildConns, rebuildTimeout, true
	db, err := tidb.Open(pool)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	one, err := find(c.projections(db, nil), name)
	if err != nil {
		return err
	}
	held, release, err := tidb.Hold(ctx, db, c.lockOf(name))
	if err != nil {
		return fmt.Errorf("work on the generations of %s: %w", name, err)
	}
	defer func() { err = errors.Join(err, release()) }()
	err = work(held, one)
	if err != nil && held.Err() != nil {
		err = errors.Join(err, context.Cause(held))
	}
	return err
}

// lockOf is the name of the lock of whoever works on a projection's
// generations.
func (c Config) lockOf(name string) string { return c.TiDBDatabase + "." + name }
