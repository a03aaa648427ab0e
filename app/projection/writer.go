package projection

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"helfy/canaljson"
)

// WriterConfig tunes a Writer; the zero value means the defaults.
type WriterConfig struct {
	// MaxItems is how many records are enough for a flush. Default 1024.
	MaxItems int
	// Linger is how long a flush waits for more records. Default 1 ms.
	Linger time.Duration
	// Timeout bounds one flush. Default 10 s.
	Timeout time.Duration
	// Flushes is how many flushes may be under way at a time, each of other
	// partitions. More than one are worth it where their rows are others too,
	// so that they do not wait for each other. Default 1.
	Flushes int
}

// besideItems is how many records are enough to be flushed while another flush
// is under way: fewer wait for its end and what comes until then.
const besideItems = 256

func (c WriterConfig) withDefaults() WriterConfig {
	if c.MaxItems <= 0 {
		c.MaxItems = 1024
	}
	if c.Linger <= 0 {
		c.Linger = time.Millisecond
	}
	if c.Timeout <= 0 {
		c.Timeout = 10 * time.Second
	}
	c.Flushes = max(1, c.Flushes)
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
	items  []Item[R]
	result chan<- result[R]
}

type result[R any] struct {
	items []Item[R] // as they were stored
	fresh []bool
	err   error
}

// ErrStopped says that the writer no longer runs.
var ErrStopped = errors.New("projection writer has stopped")

// NewWriter returns a writer; Run starts it.
func NewWriter[R any](projection Projection[R], store Store[R], config WriterConfig) *Writer[R] {
	config = config.withDefaults()
	return &Writer[R]{
		projection: projection, store: store, config: config,
		queue: make(chan request[R]), stopped: make(chan struct{}),
	}
}

// Write projects records of one partition, in the order of their offsets, and
// returns once they are durable. A record that cannot be understood becomes a
// dead letter, which is no error. After an error some of them may be durable;
// all of them are to be written again. Write must not be called twice at once
// for one partition: the order of its offsets is the order of the calls. It
// waits for at most one flush under way and its own, or until Run ends: then
// the error is ErrStopped.
func (w *Writer[R]) Write(records []Record) ([]Outcome[R], error) {
	messages, items := make([]canaljson.Message, len(records)), make([]Item[R], len(records))
	for i, record := range records {
		messages[i], items[i] = Project(w.projection, record)
	}
	done := make(chan result[R], 1)
	select {
	case w.queue <- request[R]{items: items, result: done}:
	case <-w.stopped:
		return nil, ErrStopped
	}
	select {
	case r := <-done:
		if r.err != nil {
			return nil, r.err
		}
		outcomes := make([]Outcome[R], len(records))
		for i := range outcomes {
			outcomes[i] = Outcome[R]{Item: r.items[i], Message: messages[i], Fresh: r.fresh[i]}
		}
		return outcomes, nil
	case <-w.stopped:
		return nil, ErrStopped
	}
}

// Run flushes until ctx ends or a flush meets ErrGap, which it returns. Any
// other error of a flush goes to the records of that flush, whose delivery is
// tried again by Kafka's client. Flushes under way are finished.
func (w *Writer[R]) Run(ctx context.Context) error {
	defer close(w.stopped)
	flushes, ctx := errgroup.WithContext(ctx)
	ended := make(chan struct{}, w.config.Flushes)
	for underWay := 0; ; {
		batch, ends := w.gather(ctx, underWay, ended)
		if batch == nil {
			return flushes.Wait()
		}
		underWay += 1 - ends
		flushes.Go(func() error {
			defer func() { ended <- struct{}{} }()
			if err := w.flush(ctx, batch); errors.Is(err, ErrGap) {
				return err
			}
			return nil
		})
	}
}

// gather waits for records and takes those that follow, until a flush of them
// may begin beside those under way. It returns also how many of these have
// ended meanwhile, and no records when ctx ends.
func (w *Writer[R]) gather(ctx context.Context, underWay int, ended <-chan struct{}) (batch []request[R], ends int) {
	var lingered <-chan time.Time
	over, count := false, 0 // the linger is, the records are
	for !w.mayFlush(count, over, underWay-ends) {
		queue, done := w.queue, ctx.Done()
		if count >= w.config.MaxItems {
			queue = nil
		}
		if count > 0 {
			done = nil // what is in hand is flushed
		}
		select {
		case next := <-queue:
			if count == 0 {
				lingered = time.After(w.config.Linger)
			}
			batch = append(batch, next)
			count += len(next.items)
		case <-lingered:
			over = true
		case <-ended:
			ends++
		case <-done:
			return nil, ends
		}
	}
	return batch, ends
}

// mayFlush reports whether a flush of so many records may begin.
func (w *Writer[R]) mayFlush(count int, lingered bool, underWay int) bool {
	switch {
	case count == 0 || underWay == w.config.Flushes:
		return false
	case underWay == 0:
		return lingered || count >= w.config.MaxItems
	}
	return count >= besideItems && (lingered || count >= w.config.MaxItems)
}

// flush makes a batch durable and answers each of its requests.
func (w *Writer[R]) flush(ctx context.Context, batch []request[R]) error {
	var items []Item[R]
	for _, request := range batch {
		items = append(items, request.items...)
	}
	fresh, err := w.storeItems(ctx, items)
	if err != nil {
		err = fmt.Errorf("flush %d records from %s: %w", len(items), items[0].Record, err)
	}
	for _, request := range batch {
		count := len(request.items)
		answer := result[R]{err: err}
		if err == nil {
			answer.items, answer.fresh = items[:count], fresh[:count]
		}
		request.result <- answer
		items, fresh = items[count:], fresh[min(count, len(fresh)):]
	}
	return err
}

// storeItems makes items durable. Of those that the database rejects only the one
// at fault becomes a dead letter.
func (w *Writer[R]) storeItems(ctx context.Context, items []Item[R]) (fresh []bool, err error) {
	fresh, err = w.storeWhole(ctx, items)
	if !errors.Is(err, ErrRejected) {
		return fresh, err
	}
	if len(items) == 1 {
		if items[0].DeadLetter != "" {
			return nil, err
		}
		items[0].DeadLetter, items[0].Rows = rejection(err), nil
		return w.storeWhole(ctx, items)
	}
	middle := len(items) / 2
	if fresh, err = w.storeItems(ctx, items[:middle]); err != nil {
		return nil, err
	}
	rest, err := w.storeItems(ctx, items[middle:])
	return append(fresh, rest...), err
}

func (w *Writer[R]) storeWhole(ctx context.Context, items []Item[R]) ([]bool, error) {
	// A flush under way is finished when the service stops: its records are
	// in hand, and a half-done write helps nobody.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), w.config.Timeout)
	defer cancel()
	return w.store.Flush(ctx, items)
}
