// Package events is how the topics reach the projections: a Watermill router
// for each projection, a consumer group for each of its topics.
package events

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill/message"
	"golang.org/x/sync/errgroup"

	"helfy/app/projection"
)

// Broker is where the topics are.
type Broker interface {
	// Partitions returns the state of every partition of a topic.
	Partitions(ctx context.Context, topic string) ([]projection.Partition, error)
	// Committed returns the offset that a consumer group has committed in
	// each partition, in their order, -1 where it has none.
	Committed(ctx context.Context, group string, partitions []projection.Partition) ([]int64, error)
	// Commit sets them; a negative one is left as it is.
	Commit(ctx context.Context, group string, partitions []projection.Partition, offsets []int64) error
	// Subscriber reads a topic for a group, from the oldest record on, one run of
	// records of each partition at a time.
	Subscriber(group string, log watermill.LoggerAdapter) (message.Subscriber, error)
	// Records returns the records that a subscriber's message carries, in the
	// order of their offsets.
	Records(*message.Message) ([]projection.Record, error)
}

// Config registers a projection.
type Config[R any] struct {
	// Name is the projection's name, as its checkpoints have it.
	Name string
	// Group is the prefix of the consumer groups' names; each topic has its
	// own group, so that trouble with one does not rebalance the other. No
	// two projections may share it.
	Group string
	// Topics are read.
	Topics     []string
	Projection projection.Projection[R]
	Store      projection.FedStore[R]
	// Flushes is that of projection.WriterConfig.
	Flushes int
	// OnFresh, if set, is told what became of each record once it is durable,
	// but not of repeats. A crash between the two loses the call, so it may
	// tell of records, but not act on them. It is called from several
	// goroutines.
	OnFresh func(context.Context, *slog.Logger, projection.Outcome[R])
	// Completeness is told of watermarks, and tells of partitions that were
	// added.
	Completeness projection.Completeness
	// OnComplete, if set, is called when a generation has become more
	// complete.
	OnComplete func()
}

// Consumer keeps one projection up to date.
type Consumer[R any] struct {
	config Config[R]
	broker Broker
	log    *slog.Logger
	// watermark wakes keepComplete, alarm tells watch what that has found.
	watermark chan struct{}
	alarm     chan error
}

// NewConsumer returns a consumer; Run starts it.
func NewConsumer[R any](config Config[R], broker Broker, log *slog.Logger) *Consumer[R] {
	return &Consumer[R]{
		config: config, broker: broker, log: log.With("projection", config.Name),
		watermark: make(chan struct{}, 1), alarm: make(chan error, 1),
	}
}

// The pauses between two runs of the consumer.
const (
	firstPause = 200 * time.Millisecond
	maxPause   = 5 * time.Second
	// drainTimeout bounds how long a run waits for records in hand.
	drainTimeout = 15 * time.Second
)

// Run consumes until ctx ends. A run that fails is logged and followed by
// another one: Kafka or the database may be away, or the consumer group may
// have to go back to the checkpoint. projection.ErrRetention heals only when
// an operator restores the topic; until then every run is refused.
func (c *Consumer[R]) Run(ctx context.Context) {
	var keeping sync.WaitGroup
	defer keeping.Wait()
	keeping.Go(func() { c.keepComplete(ctx) })
	pause := firstPause
	for {
		started := time.Now()
		err := c.runOnce(ctx)
		if ctx.Err() != nil {
			return
		}
		if errors.Is(err, errAdded) {
			c.log.InfoContext(ctx, "consumer starts again", "reason", err.Error())
			continue
		}
		if time.Since(started) > time.Minute {
			pause = firstPause
		}
		c.log.ErrorContext(ctx, "consumer stopped, starting again", "error", err, "pauseMs", pause.Milliseconds())
		select {
		case <-time.After(pause):
			pause = min(2*pause, maxPause)
		case <-ctx.Done():
			return
		}
	}
}

// runOnce consumes until ctx ends or something is wrong.
func (c *Consumer[R]) runOnce(ctx context.Context) error {
	select {
	case before := <-c.alarm: // the last run has ended for it
		c.log.DebugContext(ctx, "consumer has started again", "reason", before)
	default:
	}
	partitions := map[string]int{} // by topic
	for _, topic := range c.config.Topics {
		var err error
		if partitions[topic], err = c.align(ctx, topic); err != nil {
			return err
		}
	}
	writer := projection.NewWriter(c.config.Projection, c.config.Store, projection.WriterConfig{Flushes: c.config.Flushes})
	router, closeSubscribers, err := c.newRouter(writer)
	if err != nil {
		return err
	}
	group, groupCtx := errgroup.WithContext(ctx)
	// The writer outlives the router, so that handlers can finish.
	writerCtx, stopWriter := context.WithCancel(context.WithoutCancel(ctx))
	group.Go(func() error { return writer.Run(writerCtx) })
	group.Go(func() error {
		defer stopWriter()
		defer closeSubscribers()
		if err := router.Run(groupCtx); err != nil {
			return fmt.Errorf("run router: %w", err)
		}
		if groupCtx.Err() == nil {
			return errors.New("router ended by itself")
		}
		return nil
	})
	group.Go(func() error { return c.watch(groupCtx, partitions) })
	return group.Wait()
}

func (c *Consumer[R]) group(topic string) string { return c.config.Group + "." + topic }

func (c *Consumer[R]) newRouter(writer *projection.Writer[R]) (router *message.Router, closeSubscribers func(), err error) {
	// What the libraries tell at level info is about themselves.
	log := watermill.NewSlogLoggerWithLevelMapping(c.log, map[slog.Level]slog.Level{slog.LevelInfo: slog.LevelDebug})
	router, err = message.NewRouter(message.RouterConfig{CloseTimeout: drainTimeout}, log)
	if err != nil {
		return nil, nil, fmt.Errorf("make router: %w", err)
	}
	var subscribers []message.Subscriber
	// The router closes them too, but not when it cannot start.
	closeSubscribers = func() {
		for _, subscriber := range subscribers {
			if err := subscriber.Close(); err != nil {
				c.log.Warn("close subscriber", "error", err)
			}
		}
	}
	for _, topic := range c.config.Topics {
		subscriber, err := c.broker.Subscriber(c.group(topic), log)
		if err != nil {
			closeSubscribers()
			return nil, nil, fmt.Errorf("make subscriber of %s: %w", topic, err)
		}
		subscribers = append(subscribers, subscriber)
		router.AddConsumerHandler(c.config.Name+"."+topic, topic, subscriber, c.handle(writer))
	}
	return router, closeSubscribers, nil
}

// handle returns only when the records are durable; an error makes the client
// deliver them again.
func (c *Consumer[R]) handle(writer *projection.Writer[R]) message.NoPublishHandlerFunc {
	return func(msg *message.Message) error {
		records, err := c.broker.Records(msg)
		if err != nil {
			return fmt.Errorf("read the records of a message: %w", err)
		}
		outcomes, err := writer.Write(records)
		if err != nil {
			return err
		}
		for _, outcome := range outcomes {
			if outcome.Watermark != 0 {
				c.wake()
			}
			if outcome.Fresh && c.config.OnFresh != nil {
				c.config.OnFresh(msg.Context(), c.log, outcome)
			}
		}
		return nil
	}
}
