package service

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"helfy/adapters/tidb"
	"helfy/app/projection"
)

const (
	// tasksEvery is how often a consumer looks for tasks.
	tasksEvery = 250 * time.Millisecond
	// tasksTurn is the pause before a consumer looks again whether it may do
	// tasks, or whether the database is back.
	tasksTurn = 2 * time.Second
	// taskTimeout bounds a rollback or a retry.
	taskTimeout = 40 * time.Second
	// endTimeout bounds saying how a task ended.
	endTimeout = 5 * time.Second
	// maxTries is how often a task is taken up without being given back: one
	// that ends its process must not do so for ever.
	maxTries = 5
	// tasksKept is how long what was done can be looked up.
	tasksKept = 24 * time.Hour
	// workerConns is how many connections are for a lock and for looking for
	// tasks and trying dead letters; rebuilds have others.
	workerConns = 3
	// sideBySide is how many partitions a rebuild reads at a time that somebody
	// asked for over HTTP: it must leave the database to the logins.
	sideBySide = 1
)

// worker does the tasks that processes which serve HTTP have. One consumer at a
// time is at them; what it leaves undone the next one goes on with.
type worker struct {
	config Config
	db     *sql.DB
	tasks  tidb.Tasks
	log    *slog.Logger

	rebuilding sync.WaitGroup
	slot       chan struct{} // whoever rebuilds has it
}

// Work does, until ctx ends, what processes that serve HTTP have to be done to
// projections. Consume does so too.
func (c Config) Work(ctx context.Context, log *slog.Logger) (err error) {
	pool := c.tidb()
	pool.MaxConns = workerConns
	db, err := tidb.Open(pool)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	newWorker(c, db, log).run(ctx)
	return nil
}

func newWorker(config Config, db *sql.DB, log *slog.Logger) *worker {
	return &worker{config: config, db: db, tasks: tidb.NewTasks(db), log: log, slot: make(chan struct{}, 1)}
}

// run does tasks until ctx ends, while no other consumer does.
func (w *worker) run(ctx context.Context) {
	for {
		err := w.turn(ctx)
		if ctx.Err() != nil {
			return
		}
		if err != nil && !errors.Is(err, tidb.ErrHeld) {
			w.log.WarnContext(ctx, "cannot look for tasks, trying again", "error", err)
		}
		select {
		case <-time.After(tasksTurn):
		case <-ctx.Done():
			return
		}
	}
}

// turn does tasks for as long as this process may.
func (w *worker) turn(ctx context.Context) (err error) {
	held, release, err := tidb.Hold(ctx, w.db, w.config.TiDBDatabase+".tasks")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, release()) }()
	// The lock goes last.
	held, stop := context.WithCancel(held)
	defer w.rebuilding.Wait()
	defer stop()
	if err := w.tasks.Forget(held, tasksKept); err != nil {
		return err
	}
	for {
		pause := tasksEvery
		// What is under way goes on while the lock is held.
		if err := w.startAll(held); err != nil && held.Err() == nil {
			w.log.WarnContext(ctx, "cannot look for tasks, trying again", "error", err)
			pause = tasksTurn
		}
		select {
		case <-time.After(pause):
		case <-held.Done():
			return context.Cause(held)
		}
	}
}

// startAll starts all tasks that are open.
func (w *worker) startAll(ctx context.Context) error {
	open, err := w.tasks.Open(ctx)
	if err != nil {
		return err
	}
	for _, task := range open {
		if err := w.start(ctx, task); err != nil {
			return err
		}
	}
	return nil
}

// start does a task, or lets a rebuild begin, of which there is one at a time.
func (w *worker) start(ctx context.Context, task projection.Task) error {
	if task.Kind != projection.TaskRebuild {
		return w.take(ctx, task)
	}
	select {
	case w.slot <- struct{}{}:
	default:
		return nil // its turn comes
	}
	w.rebuilding.Go(func() {
		defer func() { <-w.slot }()
		if err := w.take(ctx, task); err != nil && ctx.Err() == nil {
			w.log.WarnContext(ctx, "cannot do a task, trying again", "task", task.ID, "error", err)
		}
	})
	return nil
}

// take does a task and says how it ended. What ends because ctx does is left to
// the next one.
func (w *worker) take(ctx context.Context, task projection.Task) error {
	taken, err := w.tasks.Take(ctx, task.ID)
	if err != nil || !taken {
		return err
	}
	state := projection.TaskState{}
	if task.Tries >= maxTries {
		state.Err = fmt.Errorf("given up after %d tries, none of which has ended", task.Tries)
	} else {
		state.Retried, state.Err = w.do(ctx, task)
	}
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTimeout)
	defer cancel()
	if ctx.Err() != nil && state.Err != nil {
		return errors.Join(ctx.Err(), w.tasks.Return(ending, task.ID))
	}
	log, level := w.log.With("task", task.ID, "kind", task.Kind, "projection", task.Projection, "by", task.By), slog.LevelInfo
	if state.Err != nil {
		log, level = log.With("error", state.Err), slog.LevelWarn
	}
	log.Log(ctx, level, "a task has ended")
	return w.tasks.End(ending, task.ID, state)
}

func (w *worker) do(ctx context.Context, task projection.Task) ([]projection.RetriedLetter, error) {
	if task.Kind == projection.TaskRebuild {
		return nil, w.rebuild(ctx, task)
	}
	ctx, cancel := context.WithTimeout(ctx, taskTimeout)
	defer cancel()
	switch task.Kind {
	case projection.TaskRollback:
		return nil, atWork(w.config.rollbackTo(ctx, task.Projection, task.Generation))
	case projection.TaskRetry:
		return w.retry(ctx, task)
	}
	return nil, fmt.Errorf("there are no tasks of kind %q", task.Kind)
}

func (w *worker) rebuild(ctx context.Context, task projection.Task) error {
	options := projection.RebuildOptions{VerifyOnly: task.Verify, AcceptDifference: task.AcceptDiff, SideBySide: sideBySide}
	_, err := w.config.rebuildAs(ctx, task.Projection, options, rebuildHooks{
		by: task.By, begun: func(ctx context.Context) error { return w.tasks.Begin(ctx, task.ID) },
	})
	return atWork(err)
}

func (w *worker) retry(ctx context.Context, task projection.Task) (tried []projection.RetriedLetter, err error) {
	all, err := some(w.config.withNotifications(w.db), task.Projection)
	if err != nil {
		return nil, err
	}
	err = retryDeadLetters(ctx, w.db, all, task.Place, func(one projection.RetriedLetter) error {
		tried = append(tried, one)
		return nil
	})
	return tried, err
}

// atWork makes a lock that somebody else holds projection.ErrAtWork.
func atWork(err error) error {
	if errors.Is(err, tidb.ErrHeld) {
		return fmt.Errorf("%w: %w", projection.ErrAtWork, err)
	}
	return err
}
