package service

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"helfy/adapters/tidb"
	"helfy/app/command"
	"helfy/app/projection"
)

// doings lets consumers do to projections what administrators want: a process
// that serves HTTP may not write them. It is safe for concurrent use.
type doings struct {
	config Config
	db     *sql.DB
	tasks  tidb.Tasks
}

const (
	// taskPatience is how long consumers have to take a task up, and
	// taskAnswer how long the answer is waited for in all; a request has ten
	// seconds.
	taskPatience = 6 * time.Second
	taskAnswer   = 8 * time.Second
	// taskPoll is how often a task is looked at.
	taskPoll = 100 * time.Millisecond
)

func newDoings(config Config, db *sql.DB) doings {
	return doings{config: config, db: db, tasks: tidb.NewTasks(db)}
}

var _ command.Projections = doings{}

// Rebuild implements command.Projections: one rebuild at a time.
func (d doings) Rebuild(
	ctx context.Context, name, by string, options projection.RebuildOptions, begin func(context.Context) error,
) error {
	if _, err := d.idle(ctx, name); err != nil {
		return err
	}
	if err := d.noRebuild(ctx); err != nil {
		return err
	}
	details := projection.TaskDetails{Verify: options.VerifyOnly, AcceptDiff: options.AcceptDifference}
	task := projection.Task{Kind: projection.TaskRebuild, Projection: name, By: by, TaskDetails: details}
	_, err := d.ask(ctx, task, begin, func(t projection.Task) bool { return !t.BegunAt.IsZero() })
	if errors.Is(err, projection.ErrNoConsumer) {
		// Another one may have been asked for at the same time.
		err = cmp.Or(d.noRebuild(ctx), err)
	}
	return err
}

// noRebuild returns projection.ErrAtWork while a rebuild has been asked for.
func (d doings) noRebuild(ctx context.Context) error {
	open, err := d.tasks.Open(ctx)
	if err != nil {
		return err
	}
	for _, task := range open {
		if task.Kind == projection.TaskRebuild {
			return fmt.Errorf("%w: a consumer rebuilds %s", projection.ErrAtWork, task.Projection)
		}
	}
	return nil
}

// Rollback implements command.Projections.
func (d doings) Rollback(ctx context.Context, name string, begin func(context.Context) error) (int, error) {
	one, err := d.idle(ctx, name)
	if err != nil {
		return 0, err
	}
	number, err := generationBefore(ctx, one)
	if err != nil {
		return 0, err
	}
	task := projection.Task{Kind: projection.TaskRollback, Projection: name, TaskDetails: projection.TaskDetails{Generation: number}}
	_, err = d.ask(ctx, task, begin, func(projection.Task) bool { return false })
	return number, err
}

// Retry implements command.Projections.
func (d doings) Retry(
	ctx context.Context, name string, at projection.Place, begin func(context.Context) error,
) ([]projection.RetriedLetter, error) {
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
	task := projection.Task{Kind: projection.TaskRetry, Projection: name, TaskDetails: projection.TaskDetails{Place: &at}}
	done, err := d.ask(ctx, task, begin, func(projection.Task) bool { return false })
	return done.Retried, err
}

// idle returns a projection that nobody works on.
func (d doings) idle(ctx context.Context, name string) (registered, error) {
	one, err := find(d.config.projections(d.db, nil), name)
	if err != nil {
		return nil, err
	}
	holder, err := tidb.HeldBy(ctx, d.db, d.config.lockOf(name))
	if err == nil && holder != "" {
		err = fmt.Errorf("%w: %s", projection.ErrAtWork, holder)
	}
	return one, err
}

// ask records a task, gives it to the consumers and waits until it has ended or
// enough is known of it.
func (d doings) ask(
	ctx context.Context, task projection.Task, begin func(context.Context) error, enough func(projection.Task) bool,
) (projection.Task, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return task, fmt.Errorf("make the id of a task: %w", err)
	}
	task.ID = id.String()
	if err := begin(ctx); err != nil {
		return task, err
	}
	if err := d.tasks.Add(ctx, task, taskPatience); err != nil {
		return task, err
	}
	deadline := time.Now().Add(taskAnswer)
	for {
		now, err := d.tasks.Get(ctx, task.ID)
		switch {
		case err != nil:
			return now, err
		case enough(now):
			return now, nil
		case !now.EndedAt.IsZero():
			return now, now.Err
		case now.Expired:
			return now, fmt.Errorf("%w in %s: it is not done", projection.ErrNoConsumer, taskPatience)
		case time.Now().After(deadline):
			return now, fmt.Errorf("%w: a consumer is still at it", projection.ErrAtWork)
		}
		select {
		case <-time.After(taskPoll):
		case <-ctx.Done():
			return now, ctx.Err()
		}
	}
}
