package projection

import (
	"context"
	"errors"
	"fmt"
	"time"

	"helfy/canaljson"
)

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
	message, item := Project(w.projection, record)
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
		item.DeadLetter, item.Rows = rejection(rejected), nil
		return w.flush(ctx, batch)
	}
	for i := range batch {
		if err := w.flush(ctx, batch[i:i+1]); errors.Is(err, ErrGap) {
			return err
		}
	}
	return nil
}
