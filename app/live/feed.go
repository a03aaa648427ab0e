// Package live tells viewers of the audit trail what happens, as it happens:
// one reader of the topics for all of them.
package live

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"helfy/app/projection"
	"helfy/app/query"
	"helfy/domain"
)

// Errors of Join.
var (
	// ErrFull says that the process has as many viewers as it may have.
	ErrFull = errors.New("there are too many viewers")
	// ErrUserFull says the same of one user's.
	ErrUserFull = errors.New("the user has too many streams open")
	// ErrEnded says that the process is about to end.
	ErrEnded = errors.New("the stream has ended")
)

// ErrEnough ends Source.Follow without an error.
var ErrEnough = errors.New("enough")

// Source reads the topics without a consumer group.
type Source interface {
	// Follow reads partitions from their End on and calls take, from one
	// goroutine, with what has come, in the order of each partition. It
	// returns nil when ctx ends or take returns ErrEnough. An outage of Kafka
	// does not end it; an offset that Kafka does not have, and errors of take,
	// do.
	Follow(ctx context.Context, from []projection.Partition, take func([]projection.Record) error) error
	// Partitions returns the state of every partition of a topic, by number.
	Partitions(ctx context.Context, topic string) ([]projection.Partition, error)
	// Shapes returns the topics in their order. The error for one that is not
	// there is projection.ErrRetention.
	Shapes(ctx context.Context, topics []string) ([]projection.Shape, error)
}

// Log is the audit log beside which the trail is watched.
type Log interface {
	// Checkpoints returns how far the log has read each partition, by topic
	// and number.
	Checkpoints(ctx context.Context) (map[string]map[int32]projection.Checkpoint, error)
	// CompleteThrough and OpenDeadLetters are those of query.AuditLog.
	CompleteThrough(ctx context.Context) (uint64, error)
	OpenDeadLetters(ctx context.Context) (int64, error)
	// VerifiedThrough is that of query.Findings.
	VerifiedThrough(ctx context.Context) (uint64, error)
	// FindingsBetween returns the findings of commits after a TSO up to
	// another one, the oldest first: the newest limit of them.
	FindingsBetween(ctx context.Context, after, through uint64, limit int) ([]query.Finding, error)
}

// Encoder writes what viewers get, once for all of them. Its methods are pure,
// and return nil for what they cannot write.
type Encoder interface {
	// Entry writes an entry and the position of who has seen it.
	Entry(position string, entry domain.AuditEntry) []byte
	Finding(query.Finding) []byte
	Complete(Completeness) []byte
}

// Completeness says what the log has.
type Completeness struct {
	// Through is the TSO up to which it is complete, 0 if that is not known.
	Through uint64
	// At is when this was found out.
	At          time.Time
	DeadLetters int64
}

// Config is what a Feed needs.
type Config struct {
	// Topics are those that Projection understands.
	Topics     []string
	Projection projection.Audit
	Source     Source
	Log        Log
	Encoder    Encoder
	// MaxViewers and MaxPerUser bound how many there are at once, MaxReplay
	// how many records are read again for one that comes back.
	MaxViewers, MaxPerUser, MaxReplay int
	Logger                            *slog.Logger
}

// Feed keeps what viewers may see. Its methods are safe for concurrent use.
type Feed struct {
	config Config
	// gate is held by who opens or closes the window.
	gate chan struct{}
	// opened hands a new window to Run, left says that the last viewer left,
	// dirty that there is something new, watermark that the log may be more
	// complete. Each holds one.
	opened, left, dirty, watermark chan struct{}
	// life ends when Run does.
	life context.Context
	die  context.CancelFunc

	mu      sync.RWMutex
	over    bool
	viewers int
	byUser  map[domain.UserID]int
	dropped int64
	// window is nil while nobody watches.
	window *window
	// changed is closed, and replaced, when there is something new.
	changed  chan struct{}
	complete []byte // the newest, as viewers get it
	told     int64  // counts those
	newest   time.Time
	// interrupt ends what reads the window's partitions, to look at them anew.
	interrupt context.CancelFunc
}

// New returns a Feed that does nothing before Run.
func New(config Config) *Feed {
	life, die := context.WithCancel(context.Background())
	return &Feed{
		config: config, byUser: map[domain.UserID]int{}, life: life, die: die,
		gate: make(chan struct{}, 1), opened: make(chan struct{}, 1), left: make(chan struct{}, 1),
		dirty: make(chan struct{}, 1), watermark: make(chan struct{}, 1), changed: make(chan struct{}),
	}
}

// signal sets a flag that somebody waits for. It never blocks.
func signal(flag chan<- struct{}) {
	select {
	case flag <- struct{}{}:
	default: // it is set already
	}
}

// sleep waits, and reports whether ctx goes on.
func sleep(ctx context.Context, duration time.Duration) bool {
	timer := time.NewTimer(duration)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// linger is how long the topics are read on after the last viewer has left, who
// may be loading the page again.
const linger = 10 * time.Second

// Run reads the topics while there are viewers, until ctx ends, and ends all
// viewers then. It is called once.
func (f *Feed) Run(ctx context.Context) {
	defer context.AfterFunc(ctx, f.end)()
	defer f.end()
	for {
		select {
		case <-f.opened:
			f.watch(ctx)
		case <-ctx.Done():
			return
		}
	}
}

// end ends all viewers. It may be called again.
func (f *Feed) end() {
	f.die()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.over = true
}

// watch does all work for a window until nobody has watched for some time.
func (f *Feed) watch(ctx context.Context) {
	working, stop := context.WithCancel(ctx)
	var work sync.WaitGroup
	work.Go(func() { f.read(working) })
	work.Go(func() { f.tell(working) })
	work.Go(func() { f.wake(working) })
	f.awaitIdle(ctx)
	stop()
	work.Wait()
	if f.lock(ctx) == nil {
		f.close()
		f.unlock()
	}
}

// awaitIdle returns when there has been no viewer for some time, or ctx ends.
func (f *Feed) awaitIdle(ctx context.Context) {
	for {
		select {
		case <-f.left:
		case <-ctx.Done():
			return
		}
		if !sleep(ctx, linger) || f.Viewers() == 0 {
			return
		}
	}
}

// lock takes the gate.
func (f *Feed) lock(ctx context.Context) error {
	select {
	case f.gate <- struct{}{}:
		return nil
	case <-f.life.Done():
		return ErrEnded
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (f *Feed) unlock() { <-f.gate }

// close drops the window. A viewer that came just before goes on with another
// one.
func (f *Feed) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.viewers == 0 {
		f.window, f.complete, f.newest = nil, nil, time.Time{}
		return
	}
	signal(f.opened) // Run begins again with the same one
}

// wakePerViewer is the time that each viewer adds to the pause between two
// wakings of all: what each costs the processors stays below that.
const wakePerViewer = 100 * time.Microsecond

// wake tells viewers that there is something new: at once, and the more rarely
// the more there are.
func (f *Feed) wake(ctx context.Context) {
	for {
		select {
		case <-f.dirty:
		case <-ctx.Done():
			return
		}
		f.mu.Lock()
		close(f.changed)
		f.changed = make(chan struct{})
		pause := time.Duration(f.viewers) * wakePerViewer
		f.mu.Unlock()
		if !sleep(ctx, pause) {
			return
		}
	}
}

// Viewers returns how many there are.
func (f *Feed) Viewers() int {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.viewers
}

// Dropped returns how many viewers were too slow so far.
func (f *Feed) Dropped() int64 {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.dropped
}

// Lag returns the age of the newest record that was read, 0 while nobody
// watches: each partition has a watermark about once a second.
func (f *Feed) Lag() time.Duration {
	f.mu.RLock()
	defer f.mu.RUnlock()
	if f.newest.IsZero() {
		return 0
	}
	return max(0, time.Since(f.newest))
}
