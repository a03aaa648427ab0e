package service

import (
	"bytes"
	"context"
	"encoding/json"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"helfy/app/projection"
	"helfy/canaljson"
	"helfy/domain"
)

// maxLinks is how many links a span keeps: OpenTelemetry's default.
const maxLinks = 128

// tracedStore makes a span of the write of each event that has a trace. The
// first write belongs to the trace of the event; a later one only links to it.
type tracedStore[R any] struct {
	projection.FedStore[R]
	name  string
	spans spans
}

// traced returns a store that makes spans, if any are made.
func traced[R any](store projection.FedStore[R], name string, spans spans) projection.FedStore[R] {
	if spans.tracer == nil {
		return store
	}
	return tracedStore[R]{FedStore: store, name: name, spans: spans}
}

// Flush implements projection.Store.
func (s tracedStore[R]) Flush(ctx context.Context, items []projection.Item[R]) ([]bool, error) {
	began := time.Now()
	fresh, err := s.FedStore.Flush(ctx, items)
	if err != nil {
		return fresh, err
	}
	ended := time.Now()
	for i, item := range items {
		if event := traceOf(item.Record); event.IsSampled() {
			s.write(item.Record, event, fresh[i], began, ended)
		}
	}
	return fresh, nil
}

// write makes the span of a write.
func (s tracedStore[R]) write(record projection.Record, event trace.SpanContext, fresh bool, began, ended time.Time) {
	options := []trace.SpanStartOption{
		trace.WithTimestamp(began), trace.WithSpanKind(trace.SpanKindConsumer),
		trace.WithAttributes(
			attribute.String("messaging.system", "kafka"),
			attribute.String("messaging.destination.name", record.Topic),
			attribute.Int("messaging.destination.partition.id", int(record.Partition)),
			attribute.Int64("messaging.kafka.offset", record.Offset),
		),
	}
	ctx, name := context.Background(), "project "+s.name
	if fresh {
		ctx = trace.ContextWithRemoteSpanContext(ctx, event)
	} else {
		name = "repeat " + s.name
		options = append(options, trace.WithNewRoot(), trace.WithLinks(trace.Link{SpanContext: event}))
	}
	_, span := s.spans.tracer.Start(ctx, name, options...)
	span.AddEvent("in Kafka", trace.WithTimestamp(record.At))
	span.End(trace.WithTimestamp(ended))
}

// tracedBuild makes a span of each write of a rebuild, which links to the
// traces of the events.
type tracedBuild[R any] struct {
	projection.BuildStore[R]
	name  string
	spans spans
}

// tracedRebuild returns a store that makes spans, if any are made.
func tracedRebuild[R any](store projection.BuildStore[R], name string, spans spans) projection.BuildStore[R] {
	if spans.tracer == nil {
		return store
	}
	return tracedBuild[R]{BuildStore: store, name: name, spans: spans}
}

// Write implements projection.BuildStore.
func (b tracedBuild[R]) Write(ctx context.Context, batch projection.Batch[R]) error {
	var links []trace.Link
	for _, item := range batch.Items {
		if event := traceOf(item.Record); event.IsSampled() && len(links) < maxLinks {
			links = append(links, trace.Link{SpanContext: event})
		}
	}
	ctx, ended := b.spans.start(ctx, "rebuild "+b.name, trace.WithNewRoot(), trace.WithLinks(links...), trace.WithAttributes(
		attribute.String("messaging.destination.name", batch.Topic),
		attribute.Int("messaging.destination.partition.id", int(batch.Partition)),
		attribute.Int64("messaging.batch.message_count", batch.Next-batch.From),
	))
	err := b.BuildStore.Write(ctx, batch)
	ended(err)
	return err
}

// traceOf returns the trace of the event that a record has, which is not valid
// if it has none.
func traceOf(record projection.Record) trace.SpanContext {
	const member = "traceparent"
	if !bytes.Contains(record.Value, []byte(member)) { // few have one
		return trace.SpanContext{}
	}
	message, err := canaljson.Decode(record.Value)
	if err != nil {
		return trace.SpanContext{}
	}
	change, ok := message.(*canaljson.Change)
	if !ok || change.Operation != canaljson.Insert {
		return trace.SpanContext{}
	}
	cell, _ := change.New.Get("metadata")
	var origin domain.Origin
	if json.Unmarshal([]byte(cell.Text), &origin) != nil { // anybody may have written it
		return trace.SpanContext{}
	}
	ctx := propagation.TraceContext{}.Extract(context.Background(), propagation.MapCarrier{member: origin.Traceparent})
	return trace.SpanContextFromContext(ctx)
}
