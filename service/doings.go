package service

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"helfy/adapters/tidb"
	"helfy/app/command"
	"helfy/app/projection"
)

// doingsSideBySide is how many partitions a rebuild in a process that serves
// reads at a time: it must leave the database to the logins.
const doingsSideBySide = 1

// doings does to projections what administrators want, in this process. It is
// safe for concurrent use.
type doings struct {
	config Config
	db     *sql.DB
	log    *slog.Logger
	// shutdown ends rebuilds, which the next one goes on with.
	shutdown context.Context

	slot       chan struct{} // whoever rebuilds has it
	rebuilding atomic.Pointer[string]
	running    sync.WaitGroup
}

// slotPatience is how long a rebuild waits for the end of the one before, as
// tidb.Hold does.
const slotPatience = time.Second

func newDoings(shutdown context.Context, config Config, db *sql.DB, log *slog.Logger) *doings {
	first := ""
	d := &doings{config: config, db: db, log: log, shutdown: shutdown, slot: make(chan struct{}, 1)}
	d.rebuilding.Store(&first)
	return d
}

var _ command.Projections = (*doings)(nil)

// wait returns when no rebuild runs. shutdown must have ended.
func (d *doings) wait() { d.running.Wait() }

// Rebuild implements command.Projections: one rebuild at a time.
func (d *doings) Rebuild(
	ctx context.Context, name, by string, options projection.RebuildOptions, begin func(context.Context) error,
) error {
	if err := d.take(ctx, name); err != nil {
		return err
	}
	options.SideBySide = doingsSideBySide
	running, cancel := context.WithCancel(d.shutdown)
	begun := make(chan error, 1)
	d.running.Go(func() {
		defer func() { <-d.slot }()
		defer cancel()
		ready := false
		rebuilt, err := d.config.rebuildAs(running, name, options, rebuildHooks{
			by: by, begin: begin, begun: func() { ready = true; begun <- nil },
		})
		if !ready {
			begun <- atWork(err)
			return
		}
		d.tell(running, name, rebuilt, err)
	})
	select {
	case err := <-begun:
		return err
	case <-ctx.Done():
		cancel() // nobody would know of it
		return ctx.Err()
	}
}

// take lets one rebuild run. One that has just ended is waited for.
func (d *doings) take(ctx context.Context, name string) error {
	select {
	case d.slot <- struct{}{}:
		d.rebuilding.Store(&name)
		return nil
	case <-time.After(slotPatience):
		return fmt.Errorf("%w: this process rebuilds %s", command.ErrAtWork, *d.rebuilding.Load())
	case <-ctx.Done():
		return ctx.Err()
	case <-d.shutdown.Done():
		return errors.New("shutting down")
	}
}

func (d *doings) tell(ctx context.Context, name string, rebuilt projection.Rebuilt, err error) {
	if err != nil {
		d.log.WarnContext(ctx, "a rebuild has ended", "projection", name, "generation", rebuilt.Generation, "error", err)
		return
	}
	d.log.InfoContext(ctx, "a rebuild has ended", "projection", name, "generation", rebuilt.Generation, "switched", rebuilt.Switched)
}

// atWork makes a lock that somebody else holds command.ErrAtWork.
func atWork(err error) error {
	if errors.Is(err, tidb.ErrHeld) {
		return fmt.Errorf("%w: %w", command.ErrAtWork, err)
	}
	return err
}

// Rollback implements command.Projections.
func (d *doings) Rollback(ctx context.Context, name string, begin func(context.Context) error) (int, error) {
	number, err := d.config.rollback(ctx, name, begin)
	return number, atWork(err)
}

// Retry implements command.Projections.
func (d *doings) Retry(
	ctx context.Context, name string, at projection.Place, begin func(context.Context) error,
) (tried []projection.RetriedLetter, err error) {
	all, err := some(d.config.withNotifications(d.db), name)
	if err != nil {
		return nil, err
	}
	known := false
	for _, one := range all {
		letters, err := tidb.NewDeadLetters(d.db).List(ctx, projection.DeadLetterFilter{Projection: one.name(), Place: &at}, nil, 1, 0)
		if err != nil {
			return nil, err
		}
		known = known || len(letters) > 0
	}
	if !known {
		return nil, fmt.Errorf("%s: %w", at, projection.ErrNoDeadLetter)
	}
	if err := begin(ctx); err != nil {
		return nil, err
	}
	err = retryDeadLetters(ctx, d.db, all, &at, func(one projection.RetriedLetter) error {
		tried = append(tried, one)
		return nil
	})
	return tried, err
}
