// Package feed runs changefeeds: it relays committed changes to Kafka as
// TiCDC does, at least once, in commit order per row.
package feed

import (
	"context"
	"errors"
	"sync"
	"time"

	"helfy/devstack/feed/atomicfile"
	"helfy/devstack/feed/change"
	"helfy/devstack/feed/changefeed"
	"helfy/devstack/feed/row"
	"helfy/devstack/feed/sink"
)

// Database is what changefeeds need of TiDB.
type Database interface {
	// Now returns a fresh TSO.
	Now(ctx context.Context) (uint64, error)
	// Tables lists the user tables.
	Tables(ctx context.Context) ([]*row.Table, error)
	// Mounter returns a mounter for one goroutine.
	Mounter() Mounter
}

// Mounter decodes transactions.
type Mounter interface {
	// Mount returns the rows that txn changed in the tables that filter
	// accepts.
	Mount(txn *change.Txn, filter func(*row.Table) bool) ([]*row.Event, error)
	// DDL returns the schema changes that txn has finished. Such a
	// transaction changes no rows that are fed.
	DDL(txn *change.Txn) ([]*row.DDL, error)
}

// State is a changefeed's state, named as in TiCDC's HTTP API.
type State string

// The states. Warning is Normal with an error: the changefeed tries again.
const (
	Normal   State = "normal"
	Warning  State = "warning"
	Stopped  State = "stopped"
	Failed   State = "failed"
	Finished State = "finished"
)

// Fault is the error that a changefeed has run into.
type Fault struct {
	Time    time.Time `json:"time"`
	Addr    string    `json:"addr"`
	Code    string    `json:"code"`
	Message string    `json:"message"`
}

// record is what is kept of a changefeed on disk.
type record struct {
	Request    changefeed.Request `json:"request"`
	CreateTime time.Time          `json:"create_time"`
	State      State              `json:"state"`
	Checkpoint uint64             `json:"checkpoint"`
	Fault      *Fault             `json:"fault,omitempty"`
}

// Feed is one changefeed.
type Feed struct {
	definition *changefeed.Definition
	path       string
	changes    *change.Store
	database   Database

	mu     sync.Mutex
	record record
	since  time.Time // of the fault
	cancel context.CancelCauseFunc
	done   chan struct{}
	saving sync.Mutex
}

// errStopped is the cause with which a run is cancelled on request.
var errStopped = errors.New("stopped on request")

// start runs the feed in its own goroutine until stop.
func (f *Feed) start() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.cancel != nil || f.record.State != Normal {
		return
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	done := make(chan struct{})
	f.cancel, f.done = cancel, done
	go func() {
		defer close(done)
		f.live(ctx)
	}()
}

// stop ends the run and waits for its end. The feed can be started again.
func (f *Feed) stop() {
	f.mu.Lock()
	cancel, done := f.cancel, f.done
	f.mu.Unlock()
	if cancel == nil {
		return
	}
	cancel(errStopped)
	<-done
	f.mu.Lock()
	f.cancel = nil
	f.mu.Unlock()
}

const (
	firstPause  = time.Second
	longestWait = 10 * time.Second
)

// live runs the feed again and again, until it is stopped, has failed for
// good or is finished.
func (f *Feed) live(ctx context.Context) {
	for pause := firstPause; ; pause = min(2*pause, longestWait) {
		before := f.Checkpoint()
		err := f.once(ctx)
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		switch {
		case errors.Is(err, errStopped):
		case errors.Is(err, errFinished):
			f.end(Finished, nil)
		case isFatal(err):
			f.end(Failed, err)
		default:
			f.report(err)
			if f.Checkpoint() > before {
				pause = firstPause
			}
			select {
			case <-ctx.Done():
			case <-time.After(pause):
			}
			continue
		}
		return
	}
}

// once runs the feed from its checkpoint.
func (f *Feed) once(ctx context.Context) error {
	p, err := newPipeline(f.definition)
	if err != nil {
		return err
	}
	producer, err := sink.New(*f.definition.Target, f.report)
	if err != nil {
		return err
	}
	defer producer.Close()
	tables, err := f.database.Tables(ctx)
	if err != nil {
		return err
	}
	r := &run{
		pipeline: p, feed: f, mounter: f.database.Mounter(), producer: producer,
		reader: f.changes.Reader(f.Checkpoint()), topics: map[string]bool{},
	}
	defer r.reader.Close()
	for _, topic := range p.topics(tables) {
		if _, err := producer.Partitions(ctx, topic); err != nil {
			return err
		}
		r.topics[topic] = true
	}
	return r.loop(ctx)
}

// topics lists the topics of those tables that are fed, and the fixed ones.
func (p *pipeline) topics(tables []*row.Table) []string {
	var fed []*row.Table
	for _, t := range tables {
		if p.filter.Feeds(t) {
			fed = append(fed, t)
		}
	}
	return p.router.Topics(fed)
}

// fatal is the cause with which a run is cancelled that has failed for good.
type fatal struct{ error }

func isFatal(err error) bool {
	var given fatal
	var coded *changefeed.Error
	return errors.As(err, &given) ||
		errors.As(err, &coded) && (coded.Code == changefeed.ErrMessageTooLarge || coded.Code == changefeed.ErrRenameTable)
}

// report notes an error from which the feed may recover, or nil when it has.
// Without recovery within changefeed_error_stuck_duration the feed fails.
func (f *Feed) report(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err == nil {
		f.record.Fault = nil
		return
	}
	if f.record.Fault == nil {
		f.since = time.Now()
	}
	f.record.Fault = newFault(err)
	if stuck := time.Duration(f.definition.Config.ErrorStuckDuration); stuck > 0 && time.Since(f.since) > stuck {
		f.cancel(fatal{err})
	}
}

func newFault(err error) *Fault {
	fault := &Fault{Time: time.Now().UTC(), Code: changefeed.ErrUnexpected, Message: err.Error()}
	var coded *changefeed.Error
	if errors.As(err, &coded) {
		fault.Code = coded.Code
	}
	return fault
}

// end puts the feed into a state in which it does not run.
func (f *Feed) end(state State, err error) {
	f.mu.Lock()
	f.record.State, f.record.Fault = state, nil
	if err != nil {
		f.record.Fault = newFault(err)
	}
	f.mu.Unlock()
	if err := f.save(); err != nil {
		f.report(err)
	}
}

// Checkpoint is the TSO up to which Kafka has acknowledged everything.
func (f *Feed) Checkpoint() uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.record.Checkpoint
}

func (f *Feed) advance(checkpoint uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.record.Checkpoint = max(f.record.Checkpoint, checkpoint)
}

func (f *Feed) save() error {
	f.saving.Lock()
	defer f.saving.Unlock()
	f.mu.Lock()
	record := f.record
	f.mu.Unlock()
	return atomicfile.WriteJSON(f.path, record)
}
