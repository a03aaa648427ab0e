// Package events is how the topics reach the projections: Watermill routers,
// one consumer group for each topic.
package events

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill/message"
	"golang.org/x/sync/errgroup"

	"helfy/app/projection"
	"helfy/domain"
)

// AuditStore is where the audit projection is kept.
type AuditStore interface {
	projection.Store[domain.AuditEntry]
	// Open returns the checkpoint of each partition, in their order, and
	// makes those that are missing.
	Open(ctx context.Context, partitions []projection.Partition) ([]projection.Checkpoint, error)
}

// Broker is where the topics are.
type Broker interface {
	// Partitions returns the state of every partition of a topic.
	Partitions(topic string) ([]projection.Partition, error)
	// Rewind sets a consumer group back where it is ahead of a checkpoint.
	Rewind(group string, partitions []projection.Partition, checkpoints []projection.Checkpoint) error
	// Subscriber reads a topic for a group, from the oldest record on, one
	// record of each partition at a time.
	Subscriber(group string, log watermill.LoggerAdapter) (message.Subscriber, error)
	// Record returns the record that a subscriber's message carries.
	Record(*message.Message) (projection.Record, error)
}

// AuditConfig says what the audit consumer reads.
type AuditConfig struct {
	// Group is the prefix of the consumer groups' names; each topic has its
	// own group, so that trouble with one does not rebalance the other.
	Group    string
	Database string
	// ChangesTopic and EventsTopic are read.
	ChangesTopic string
	EventsTopic  string
}

// AuditConsumer keeps the audit projection up to date.
type AuditConsumer struct {
	config AuditConfig
	broker Broker
	store  AuditStore
	log    *slog.Logger
}

// NewAuditConsumer returns a consumer; Run starts it.
func NewAuditConsumer(config AuditConfig, broker Broker, store AuditStore, log *slog.Logger) *AuditConsumer {
	return &AuditConsumer{config: config, broker: broker, store: store, log: log}
}

// The pauses between two runs of the consumer.
const (
	firstPause = 200 * time.Millisecond
	maxPause   = 5 * time.Second
	// drainTimeout bounds how long a run waits for records in hand.
	drainTimeout = 15 * time.Second
)

// Run consumes until ctx ends. A run that fails (Kafka or the database is
// away, or the consumer group has to go back to the checkpoint) is logged and
// followed by another one.
func (c *AuditConsumer) Run(ctx context.Context) {
	pause := firstPause
	for {
		started := time.Now()
		err := c.runOnce(ctx)
		if ctx.Err() != nil {
			return
		}
		if time.Since(started) > time.Minute {
			pause = firstPause
		}
		c.log.ErrorContext(ctx, "audit consumer stopped, starting again", "error", err, "pauseMs", pause.Milliseconds())
		select {
		case <-time.After(pause):
			pause = min(2*pause, maxPause)
		case <-ctx.Done():
			return
		}
	}
}

// runOnce consumes until ctx ends or something is wrong.
func (c *AuditConsumer) runOnce(ctx context.Context) error {
	for _, topic := range []string{c.config.ChangesTopic, c.config.EventsTopic} {
		if err := c.settle(ctx, topic); err != nil {
			return err
		}
	}
	writer := projection.NewWriter(projection.Audit{Database: c.config.Database}, c.store, projection.WriterConfig{})
	router, err := c.newRouter(writer)
	if err != nil {
		return err
	}
	// The writer outlives the router, so that handlers can finish.
	group, groupCtx := errgroup.WithContext(ctx)
	writerCtx, stopWriter := context.WithCancel(context.WithoutCancel(ctx))
	group.Go(func() error { return writer.Run(writerCtx) })
	group.Go(func() error {
		defer stopWriter()
		if err := router.Run(groupCtx); err != nil {
			return fmt.Errorf("run router: %w", err)
		}
		if ctx.Err() == nil {
			return errors.New("router ended by itself")
		}
		return nil
	})
	return group.Wait()
}

// settle checks that Kafka still has what the checkpoints need and sets the
// consumer group back where it is ahead of them.
func (c *AuditConsumer) settle(ctx context.Context, topic string) error {
	partitions, err := c.broker.Partitions(topic)
	if err != nil {
		return err
	}
	checkpoints, err := c.store.Open(ctx, partitions)
	if err != nil {
		return err
	}
	for i, checkpoint := range checkpoints {
		if err := checkpoint.Check(partitions[i]); err != nil {
			return err
		}
	}
	return c.broker.Rewind(c.group(topic), partitions, checkpoints)
}

func (c *AuditConsumer) group(topic string) string { return c.config.Group + "." + topic }

func (c *AuditConsumer) newRouter(writer *projection.Writer[domain.AuditEntry]) (*message.Router, error) {
	// What the libraries tell at level info is about themselves.
	log := watermill.NewSlogLoggerWithLevelMapping(c.log, map[slog.Level]slog.Level{slog.LevelInfo: slog.LevelDebug})
	router, err := message.NewRouter(message.RouterConfig{CloseTimeout: drainTimeout}, log)
	if err != nil {
		return nil, fmt.Errorf("make router: %w", err)
	}
	for _, topic := range []string{c.config.ChangesTopic, c.config.EventsTopic} {
		subscriber, err := c.broker.Subscriber(c.group(topic), log)
		if err != nil {
			return nil, fmt.Errorf("make subscriber of %s: %w", topic, err)
		}
		router.AddConsumerHandler("audit."+topic, topic, subscriber, c.handle(writer))
	}
	return router, nil
}

// handle returns only when the record is durable; an error makes the client
// deliver it again.
func (c *AuditConsumer) handle(writer *projection.Writer[domain.AuditEntry]) message.NoPublishHandlerFunc {
	return func(msg *message.Message) error {
		record, err := c.broker.Record(msg)
		if err != nil {
			return fmt.Errorf("read coordinates of a record: %w", err)
		}
		outcome, err := writer.Write(record)
		if err != nil {
			return err
		}
		if outcome.Fresh {
			logOutcome(msg.Context(), c.log, outcome)
		}
		return nil
	}
}
