package feed

import (
	"context"
	"errors"
	"io"
	"math"
	"time"

	"helfy/devstack/feed/change"
	"helfy/devstack/feed/sink"
)

const (
	watermarkInterval = time.Second
	// One write to Kafka takes at most about so many messages or bytes.
	batchMessages = 2000
	batchBytes    = 8 << 20
)

// run is one uninterrupted life of a changefeed.
type run struct {
	*pipeline
	feed     *Feed
	mounter  Mounter
	producer *sink.Producer
	reader   *change.Reader
	topics   map[string]bool // those that get watermarks
	marked   uint64          // the newest watermark
}

var errFinished = errors.New("the changefeed has reached its target_ts")

// loop sends until ctx ends, an error occurs or target_ts is reached. It
// begins at the feed's checkpoint, and moves it when Kafka has acknowledged.
func (r *run) loop(ctx context.Context) error {
	ticker := time.NewTicker(watermarkInterval)
	defer ticker.Stop()
	for {
		resolved, moved := r.feed.changes.Resolved()
		if err := r.send(ctx, min(resolved, r.target())); err != nil {
			return err
		}
		r.feed.report(nil)
		if r.feed.Checkpoint() >= r.target() {
			return errors.Join(r.watermark(ctx), errFinished)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
			if err := r.watermark(ctx); err != nil {
				return err
			}
		case <-moved:
		}
	}
}

func (r *run) target() uint64 {
	if target := r.feed.definition.TargetTs; target > 0 {
		return target
	}
	return math.MaxUint64
}

// send sends everything that has committed up to resolved.
func (r *run) send(ctx context.Context, resolved uint64) error {
	for {
		b, err := r.next(ctx)
		if err != nil {
			return err
		}
		if err := r.producer.Send(ctx, b.rows); err != nil {
			return err
		}
		r.feed.advance(b.rowsUpTo)
		if len(b.ddl) > 0 {
			if err := r.sendDDL(ctx, b); err != nil {
				return err
			}
		}
		if b.end {
			r.feed.advance(resolved)
			return nil
		}
	}
}

// sendDDL sends a schema change when Kafka has acknowledged all rows before it,
// and a watermark at once, so that consumers that hold it back can go on.
func (r *run) sendDDL(ctx context.Context, b *batch) error {
	if err := r.producer.Send(ctx, b.ddl); err != nil {
		return err
	}
	r.feed.advance(b.ddlAt)
	return r.watermark(ctx)
}

// batch is what is sent at once: rows and, when those are acknowledged, the
// schema change that follows them.
type batch struct {
	rows     []sink.Message
	rowsUpTo uint64 // the TSO up to which rows are all there are
	ddl      []sink.Message
	ddlAt    uint64
	end      bool // there are no newer transactions
	size     int
}

// next collects a batch, which ends before its limits are far exceeded, at a
// schema change or with the newest transaction.
func (r *run) next(ctx context.Context) (*batch, error) {
	b := &batch{}
	for len(b.rows) < batchMessages && b.size < batchBytes && len(b.ddl) == 0 {
		txn, err := r.reader.Next()
		if err == io.EOF || err == nil && txn.CommitTs > r.target() {
			b.end = true
			return b, nil
		}
		if err == nil {
			err = r.add(ctx, b, txn)
		}
		if err != nil {
			return nil, err
		}
	}
	return b, nil
}

func (r *run) add(ctx context.Context, b *batch, txn *change.Txn) error {
	changes, err := r.mounter.DDL(txn)
	if err != nil {
		return err
	}
	if b.ddl, err = r.ddl(ctx, r.producer, changes); err != nil {
		return err
	}
	for _, m := range b.ddl {
		r.topics[m.Topic], b.ddlAt = true, txn.CommitTs
	}
	if len(b.ddl) > 0 {
		return nil
	}
	rows, err := r.mounter.Mount(txn, r.filter.Feeds)
	if err != nil {
		return err
	}
	for _, e := range r.events(rows) {
		m, err := r.message(ctx, r.producer, e)
		if err != nil {
			return err
		}
		r.topics[m.Topic] = true
		b.rows, b.size = append(b.rows, m), b.size+len(m.Value)
	}
	b.rowsUpTo = txn.CommitTs
	return nil
}

// watermark tells every partition how far it is complete, when that has
// changed. The checkpoint is on disk first: after a crash the changefeed, and
// with it the clock, never falls behind a watermark.
func (r *run) watermark(ctx context.Context) error {
	checkpoint := r.feed.Checkpoint()
	if checkpoint <= r.marked {
		return nil
	}
	if err := r.feed.save(); err != nil {
		return err
	}
	value, err := r.encoder.Watermark(checkpoint, time.Now())
	if err != nil || value == nil {
		return err
	}
	var messages []sink.Message
	for topic := range r.topics {
		partitions, err := r.producer.Partitions(ctx, topic)
		if err != nil {
			return err
		}
		for i := range partitions {
			messages = append(messages, sink.Message{Topic: topic, Partition: i, Value: value})
		}
	}
	r.marked = checkpoint
	return r.producer.Send(ctx, messages)
}
