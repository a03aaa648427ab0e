package projection

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Shape is a topic as Kafka has it.
type Shape struct {
	Topic   string
	TopicID string
	// Partitions is how many there are, numbered from 0. They can only become
	// more.
	Partitions int32
}

// Reach is how far a generation that is fed has read, at one moment.
type Reach struct {
	Generation int
	// Through is the TSO up to which it was confirmed to be complete, 0 if it
	// never was.
	Through uint64
	// Checkpoints are those of the generation, by topic and partition.
	Checkpoints map[string]map[int32]Checkpoint
}

// CompletenessStore keeps how complete generations are.
type CompletenessStore interface {
	// Reaches returns that of each generation that is fed. What a checkpoint
	// tells is durable.
	Reaches(ctx context.Context, topics []string) ([]Reach, error)
	// Confirm moves generations forward to a TSO each, never back, and
	// reports whether any has moved.
	Confirm(ctx context.Context, through map[int]uint64) (moved bool, err error)
}

// Shapes tells what Kafka has.
type Shapes interface {
	// Shapes returns the topics in their order, as they are at some moment
	// after the call. The error for one that is not there is ErrRetention.
	Shapes(ctx context.Context, topics []string) ([]Shape, error)
	// Partitions returns the state of every partition of a topic.
	Partitions(ctx context.Context, topic string) ([]Partition, error)
}

// Completeness finds out how complete the generations of a projection are:
// up to which TSO they have every record, in which topic ever.
//
// A watermark is the checkpoint of the whole changefeed: TiCDC writes it only
// after Kafka has acknowledged every record up to it, in whichever partition.
// So the least watermark that was read is right for all partitions that were
// known then. One that was added since can hold older records too. It was
// there before the watermarks that follow them were written, so a look at
// Kafka which begins after these were read finds it.
//
// It is safe for concurrent use, also by several processes.
type Completeness struct {
	// Topics are those that the projection reads.
	Topics []string
	Store  CompletenessStore
	Kafka  Shapes
}

// Confirm moves the generations that are fed forward, as far as they are
// complete, and reports whether any has moved. It returns ErrUnread for a
// partition that was added and is not read yet, and ErrRetention for a topic
// that is gone or was recreated; the generations stand still then.
func (c Completeness) Confirm(ctx context.Context) (moved bool, err error) {
	// First, so that the look at Kafka begins after it.
	reaches, err := c.Store.Reaches(ctx, c.Topics)
	if err != nil || len(reaches) == 0 {
		return false, err
	}
	shapes, err := c.Kafka.Shapes(ctx, c.Topics)
	if err != nil {
		return false, err
	}
	through := map[int]uint64{}
	for _, reach := range reaches {
		whole, err := c.covers(ctx, reach, shapes)
		if err != nil {
			return false, fmt.Errorf("generation %d: %w", reach.Generation, err)
		}
		if least := c.least(reach); whole && least > reach.Through {
			through[reach.Generation] = least
		}
	}
	return c.Store.Confirm(ctx, through)
}

// least returns the least watermark of a generation, 0 before each topic has
// one. Partitions that never had any do not count: covers looks at them.
func (c Completeness) least(reach Reach) uint64 {
	least := ^uint64(0)
	for _, topic := range c.Topics {
		promised := false
		for _, checkpoint := range reach.Checkpoints[topic] {
			if checkpoint.Watermark != 0 {
				promised, least = true, min(least, checkpoint.Watermark)
			}
		}
		if !promised {
			return 0
		}
	}
	return least
}

// covers reports whether a generation has read, of all partitions that there
// are, what belongs below its watermarks.
func (c Completeness) covers(ctx context.Context, reach Reach, shapes []Shape) (bool, error) {
	for _, shape := range shapes {
		if len(reach.Checkpoints[shape.Topic]) == 0 {
			return false, nil // its consumer has not begun yet
		}
		silent := false
		for partition := range shape.Partitions {
			checkpoint, known := reach.Checkpoints[shape.Topic][partition]
			if !known {
				return false, fmt.Errorf("%w: %s[%d] was added", ErrUnread, shape.Topic, partition)
			}
			if err := checkpoint.checkTopic(shape.Topic, shape.TopicID); err != nil {
				return false, err
			}
			silent = silent || checkpoint.Watermark == 0
		}
		if silent {
			if read, err := c.readToEnd(ctx, reach, shape.Topic); err != nil || !read {
				return false, err
			}
		}
	}
	return true, nil
}

// readToEnd reports whether a generation has read all that is in those
// partitions of a topic that never had a watermark. TiCDC writes none to a
// partition that was added until it looks at the topic again, which it does
// every ten minutes, or not at all where partition-num limits it.
func (c Completeness) readToEnd(ctx context.Context, reach Reach, topic string) (bool, error) {
	partitions, err := c.Kafka.Partitions(ctx, topic)
	if err != nil {
		return false, err
	}
	for _, partition := range partitions {
		checkpoint := reach.Checkpoints[topic][partition.Partition]
		if checkpoint.Watermark != 0 {
			continue
		}
		if err := checkpoint.Check(partition); err != nil {
			return false, err
		}
		if checkpoint.NextOffset < partition.End {
			return false, nil
		}
	}
	return true, nil
}

// Stalled returns ErrRetention, and says why, if Kafka does not hold what a
// generation must read next: its consumer stands still. Any other error says
// that this could not be found out.
func (c Completeness) Stalled(ctx context.Context) error {
	// First: what Kafka holds must be newer.
	reaches, err := c.Store.Reaches(ctx, c.Topics)
	if err != nil || len(reaches) == 0 {
		return err
	}
	if _, err := c.Kafka.Shapes(ctx, c.Topics); err != nil {
		return err
	}
	for _, topic := range c.Topics {
		partitions, err := c.Kafka.Partitions(ctx, topic)
		if err != nil {
			return err
		}
		for _, partition := range partitions {
			for _, reach := range reaches {
				checkpoint, known := reach.Checkpoints[topic][partition.Partition]
				if !known {
					continue
				}
				if err := checkpoint.Check(partition); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

const (
	// awaitTimeout bounds how long Await waits, awaitPoll is how often it looks.
	awaitTimeout = 30 * time.Second
	awaitPoll    = 50 * time.Millisecond
)

// Await returns when a generation that is fed is confirmed to be complete up
// to the least watermark that it had at the call.
func (c Completeness) Await(ctx context.Context, generation int) error {
	ctx, cancel := context.WithTimeoutCause(ctx, awaitTimeout, fmt.Errorf("%w after %s", ErrUnread, awaitTimeout))
	defer cancel()
	target, _, err := c.of(ctx, generation)
	for err == nil {
		var through uint64
		if _, err = c.Confirm(ctx); err != nil && !errors.Is(err, ErrUnread) {
			break
		}
		if _, through, err = c.of(ctx, generation); err == nil && through >= target {
			return nil
		}
		select {
		case <-time.After(awaitPoll):
		case <-ctx.Done():
			err = context.Cause(ctx)
		}
	}
	return fmt.Errorf("find out how complete generation %d is: %w", generation, err)
}

// of returns the least watermark of a generation and how far it is confirmed.
func (c Completeness) of(ctx context.Context, generation int) (least, through uint64, err error) {
	reaches, err := c.Store.Reaches(ctx, c.Topics)
	if err != nil {
		return 0, 0, err
	}
	for _, reach := range reaches {
		if reach.Generation == generation {
			return c.least(reach), reach.Through, nil
		}
	}
	return 0, 0, ErrNoGeneration
}
