package feed

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"helfy/devstack/feed/change"
	"helfy/devstack/feed/changefeed"
	"helfy/devstack/feed/route"
	"helfy/devstack/feed/row"
	"helfy/devstack/feed/sink"
)

const (
	watermarkInterval = time.Second
	// One write to Kafka takes at most about so many messages or bytes.
	batchMessages = 2000
	batchBytes    = 8 << 20
)

// pipeline is how a changefeed turns transactions into messages.
type pipeline struct {
	filter  *route.Filter
	router  *route.Router
	encoder *route.Encoder
	raw     bool // updates of keys stay updates
}

func newPipeline(d *changefeed.Definition) (*pipeline, error) {
	p := &pipeline{raw: d.Config.Sink.Kafka.OutputRawChangeEvent}
	var err error
	if p.filter, err = route.NewFilter(d.Config); err != nil {
		return nil, err
	}
	if p.router, err = route.NewRouter(d); err != nil {
		return nil, err
	}
	if p.encoder, err = route.NewEncoder(d.Config); err != nil {
		return nil, err
	}
	return p, nil
}

// events filters a transaction's rows and splits updates of keys.
func (p *pipeline) events(rows []*row.Event) []*row.Event {
	var tables []*row.Table
	byTable := map[*row.Table][]*row.Event{}
	for _, e := range rows {
		if !p.filter.Keeps(e) {
			continue
		}
		if byTable[e.Table] == nil {
			tables = append(tables, e.Table)
		}
		byTable[e.Table] = append(byTable[e.Table], e)
	}
	var events []*row.Event
	for _, t := range tables {
		if p.raw {
			events = append(events, byTable[t]...)
		} else {
			events = append(events, route.Split(byTable[t])...)
		}
	}
	return events
}

func (p *pipeline) message(ctx context.Context, producer *sink.Producer, e *row.Event) (sink.Message, error) {
	value, err := p.encoder.Encode(e, time.Now())
	if err != nil {
		return sink.Message{}, fmt.Errorf("encode a row of %s.%s: %w", e.Table.Schema, e.Table.Name, err)
	}
	m := sink.Message{Topic: p.router.Topic(e.Table), Key: []byte{}, Value: value}
	partitions, err := producer.Partitions(ctx, m.Topic)
	if err != nil {
		return m, err
	}
	hash, err := p.router.Hash(e)
	if err != nil {
		return m, err
	}
	m.Partition = int32(hash % uint64(partitions))
	return m, producer.CheckSize(m)
}

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
		messages, last, err := r.batch(ctx)
		end := err == io.EOF
		if err != nil && !end {
			return err
		}
		if err := r.producer.Send(ctx, messages); err != nil {
			return err
		}
		if end {
			last = max(last, resolved)
		}
		r.feed.advance(last)
		if end {
			return nil
		}
	}
}

// batch returns the messages of the next transactions and the TSO up to which
// they are all there are; io.EOF when they are the newest.
func (r *run) batch(ctx context.Context) (messages []sink.Message, last uint64, err error) {
	for size := 0; len(messages) < batchMessages && size < batchBytes; {
		txn, err := r.reader.Next()
		if err == nil && txn.CommitTs > r.target() {
			err = io.EOF
		}
		if err != nil {
			return messages, last, err
		}
		rows, err := r.mounter.Mount(txn, r.filter.Feeds)
		if err != nil {
			return nil, 0, err
		}
		for _, e := range r.events(rows) {
			m, err := r.message(ctx, r.producer, e)
			if err != nil {
				return nil, 0, err
			}
			r.topics[m.Topic] = true
			messages, size = append(messages, m), size+len(m.Value)
		}
		last = txn.CommitTs
	}
	return messages, last, nil
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
