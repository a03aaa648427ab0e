package projection

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"helfy/canaljson"
)

// Projection is a pure function of messages.
type Projection[R any] interface {
	// Project returns the rows that a *canaljson.Change or a *canaljson.DDL
	// stands for, or an error that says why it cannot be understood. It must
	// depend on nothing but its arguments.
	Project(record Record, message canaljson.Message) ([]R, error)
}

// WriterConfig tunes a Writer; the zero value means the defaults.
type WriterConfig struct {
	// MaxItems is the greatest number of records in one flush. Default 256.
	MaxItems int
	// Linger is how long a flush waits for more records. Default 1 ms.
	Linger time.Duration
	// Timeout bounds one flush. Default 10 s.
	Timeout time.Duration
}

func (c WriterConfig) withDefaults() WriterConfig {
	if c.MaxItems <= 0 {
		c.MaxItems = 256
	}
	if c.Linger <= 0 {
		c.Linger = time.Millisecond
	}
	if c.Timeout <= 0 {
		c.Timeout = 10 * time.Second
	}
	return c
}

// Writer projects records and commits them in groups: the records that
// arrive while one flush is under way share the next. Write may be called
// from many goroutines; Run must be running for it to return.
type Writer[R any] struct {
	projection Projection[R]
	store      Store[R]
	config     WriterConfig
	queue      chan request[R]
	stopped    chan struct{}
}

// Outcome is what became of one record.
type Outcome[R any] struct {
	Item[R]
	// Message is the decoded record, nil if it could not be decoded.
	Message canaljson.Message
	// Fresh is false for a repeat of a record that was projected before.
	Fresh bool
}

type request[R any] struct {
	item   Item[R]
	result chan<- result[R]
}

type result[R any] struct {
	item  Item[R] // as it was stored
	fresh bool
	err   error
}

// ErrStopped says that the writer no longer runs.
var ErrStopped = errors.New("projection writer has stopped")

// NewWriter returns a writer; Run starts it.
func NewWriter[R any](projection Projection[R], store Store[R], config WriterConfig) *Writer[R] {
	config = config.withDefaults()
	return &Writer[R]{
		projection: projection, store: store, config: config,
		queue: make(chan request[R], config.MaxItems), stopped: make(chan struct{}),
	}
}

// Write projects a record and returns once it is durable. A record that
// cannot be understood becomes a dead letter, which is no error. Write must
// not be called twice at once for one partition: the order of its offsets is
// the order of the calls. It waits for at most the flush under way and its
// own, or until Run ends: then the error is ErrStopped.
func (w *Writer[R]) Write(record Record) (Outcome[R], error) {
	message, item := w.project(record)
	done := make(chan result[R], 1)
	select {
	case w.queue <- request[R]{item: item, result: done}:
	case <-w.stopped:
		return Outcome[R]{}, ErrStopped
	}
	select {
	case r := <-done:
		return Outcome[R]{Item: r.item, Message: message, Fresh: r.fresh}, r.err
	case <-w.stopped:
		return Outcome[R]{}, ErrStopped
	}
}

// project never fails: what cannot be understood is a dead letter.
func (w *Writer[R]) project(record Record) (canaljson.Message, Item[R]) {
	item := Item[R]{Record: record}
	message, err := canaljson.Decode(record.Value)
	if err != nil {
		item.DeadLetter = reason(err.Error())
		return nil, item
	}
	switch m := message.(type) {
	case *canaljson.Watermark:
		item.Watermark = m.Ts
		return message, item
	case *canaljson.Unsupported:
		item.DeadLetter = reason("unsupported message: " + m.Reason)
		return message, item
	}
	item.Rows, err = w.projection.Project(record, message)
	if err != nil {
		item.DeadLetter = reason(err.Error())
		item.Rows = nil
	}
	return message, item
}

// maxReason bounds a dead letter's reason in bytes: it may quote the record.
const maxReason = 1000

// reason cuts a text that quotes too much.
func reason(text string) string {
	if len(text) > maxReason {
		text = text[:maxReason] + "…"
	}
	return strings.ToValidUTF8(text, "\uFFFD")
}

// Run flushes until ctx ends or a flush meets ErrGap, which it returns. Any
// other error of a flush goes to the records of that flush, whose delivery is
// tried again by Kafka's client.
func (w *Writer[R]) Run(ctx context.Context) error {
	defer close(w.stopped)
	for {
		batch := w.gather(ctx)
		if batch == nil {
			return nil
		}
		if err := w.flush(ctx, batch); errors.Is(err, ErrGap) {
			return err
		}
	}
}

// gather waits for a record and takes those that follow within the linger.
// It returns nil when ctx ends.
func (w *Writer[R]) gather(ctx context.Context) []request[R] {
	var batch []request[R]
	select {
	case first := <-w.queue:
		batch = append(batch, first)
	case <-ctx.Done():
		return nil
	}
	timer := time.NewTimer(w.config.Linger)
	defer timer.Stop()
	for len(batch) < w.config.MaxItems {
		select {
		case next := <-w.queue:
			batch = append(batch, next)
		case <-timer.C:
			return batch
		}
	}
	return batch
}

func (w *Writer[R]) flush(ctx context.Context, batch []request[R]) error {
	items := make([]Item[R], len(batch))
	for i, request := range batch {
		items[i] = request.item
	}
	// A flush under way is finished when the service stops: its records are
	// in hand, and a half-done write helps nobody.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), w.config.Timeout)
	defer cancel()
	fresh, err := w.store.Flush(ctx, items)
	if errors.Is(err, ErrRejected) {
		return w.isolate(ctx, batch, err)
	}
	if err != nil {
		err = fmt.Errorf("flush %d records from %s: %w", len(items), items[0].Record, err)
	}
	for i, request := range batch {
		request.result <- result[R]{item: items[i], fresh: err == nil && fresh[i], err: err}
	}
	return err
}

// isolate flushes the records of a rejected batch one by one, so that only
// the one at fault becomes a dead letter.
func (w *Writer[R]) isolate(ctx context.Context, batch []request[R], rejected error) error {
	if len(batch) == 1 {
		item := &batch[0].item
		if item.DeadLetter != "" {
			batch[0].result <- result[R]{err: rejected}
			return rejected
		}
		item.DeadLetter, item.Rows = reason(rejected.Error()), nil
		return w.flush(ctx, batch)
	}
	for i := range batch {
		if err := w.flush(ctx, batch[i:i+1]); errors.Is(err, ErrGap) {
			return err
		}
	}
	return nil
}
