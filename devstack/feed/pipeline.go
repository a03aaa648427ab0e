package feed

import (
	"context"
	"fmt"
	"time"

	"helfy/devstack/feed/changefeed"
	"helfy/devstack/feed/route"
	"helfy/devstack/feed/row"
	"helfy/devstack/feed/sink"
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

// message encodes a row and finds its partition.
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

// ddl encodes the schema changes that the filter lets pass.
func (p *pipeline) ddl(ctx context.Context, producer *sink.Producer, list []*row.DDL) ([]sink.Message, error) {
	var messages []sink.Message
	for _, d := range list {
		keep, err := p.filter.KeepsDDL(d)
		if err != nil {
			return nil, err
		}
		if !keep {
			continue
		}
		value, err := p.encoder.DDL(d, time.Now())
		if err != nil {
			return nil, fmt.Errorf("encode the schema change %q: %w", d.Query, err)
		}
		m := sink.Message{Topic: p.router.DDLTopic(d), Value: value}
		if _, err := producer.Partitions(ctx, m.Topic); err != nil {
			return nil, err
		}
		if err := producer.CheckSize(m); err != nil {
			return nil, err
		}
		messages = append(messages, m)
	}
	return messages, nil
}
