package query

import (
	"context"
	"sync"
	"time"
)

// Probe reports what is wrong with a part, nil if nothing is.
type Probe func(ctx context.Context) error

const (
	// ProbeTimeout bounds how long a part may take to answer.
	ProbeTimeout = 2 * time.Second
	// probeTTL bounds how often a part is asked, however many ask us.
	probeTTL = time.Second
)

// Cached returns a probe that asks at most once a second, takes at most two,
// and otherwise repeats what it was told last. It is safe for concurrent use.
func Cached(probe Probe) Probe {
	return CachedAnswer(ProbeTimeout, probe)
}

// CachedAnswer is Cached for what is told in other words than an error, and
// may take so long.
func CachedAnswer[A any](timeout time.Duration, ask func(context.Context) A) func(context.Context) A {
	var (
		mu    sync.Mutex
		asked time.Time
		last  A
	)
	return func(ctx context.Context) A {
		mu.Lock()
		defer mu.Unlock()
		if time.Since(asked) < probeTTL {
			return last
		}
		// One asker's haste must not make the others see a failure.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), timeout)
		defer cancel()
		last, asked = ask(ctx), time.Now()
		return last
	}
}

// NotReadyError says why a process cannot do its job.
type NotReadyError struct {
	// Reason is for everybody: there is nothing in it that only operators may
	// know.
	Reason string
	// Err is the whole reason, nil if there is no more to it.
	Err error
}

// Error implements error.
func (e *NotReadyError) Error() string {
	if e.Err == nil {
		return e.Reason
	}
	return e.Reason + ": " + e.Err.Error()
}

// Unwrap gives the whole reason.
func (e *NotReadyError) Unwrap() error { return e.Err }

// Health is the state of the parts that the service stands on.
type Health struct {
	Database error
	Kafka    error
	// Changefeed is how what feeds the log is doing.
	Changefeed Changefeed
	// Gaps are times that the log does not cover, DeadLetters how many records
	// it could not understand, Stalled says why a projection cannot read on:
	// Kafka does not hold what it needs. They and the changefeed do not make the
	// service unhealthy: it cannot mend them.
	Gaps        []Gap
	DeadLetters int64
	Stalled     error
}

// Healthy reports whether nothing is wrong.
func (h Health) Healthy() bool { return h.Database == nil && h.Kafka == nil }

// CheckHealth asks the parts, at once. It is safe for concurrent use.
type CheckHealth struct {
	Database Probe
	Kafka    Probe
	Gaps     Gaps
	Log      AuditLog
	Stalled  Probe
	// Changefeed tells how what feeds the log is doing.
	Changefeed ShowChangefeed
}

// Handle returns the state of all parts.
func (c CheckHealth) Handle(ctx context.Context) Health {
	var health Health
	var wait sync.WaitGroup
	wait.Go(func() {
		ctx, cancel := context.WithTimeout(ctx, ProbeTimeout) // for both
		defer cancel()
		if health.Database = c.Database(ctx); health.Database == nil {
			health.Gaps, health.DeadLetters, health.Database = c.missing(ctx)
		}
	})
	wait.Go(func() { health.Stalled = c.Stalled(ctx) })
	wait.Go(func() { health.Kafka = c.Kafka(ctx) })
	wait.Go(func() { health.Changefeed = c.Changefeed.Handle(ctx) })
	wait.Wait()
	return health
}

// missing returns what the log is known to lack. The database may have fallen
// silent since it was asked.
func (c CheckHealth) missing(ctx context.Context) (gaps []Gap, deadLetters int64, err error) {
	if gaps, err = c.Gaps.Gaps(ctx); err != nil {
		return nil, 0, err
	}
	deadLetters, err = c.Log.OpenDeadLetters(ctx)
	return gaps, deadLetters, err
}
