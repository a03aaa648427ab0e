package events

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"helfy/app/projection"
)

const (
	// checkEvery is how often a run looks whether Kafka still holds what it
	// needs: the client library would go on in silence.
	checkEvery = 30 * time.Second
	// checkTimeout bounds one such look.
	checkTimeout = 20 * time.Second
)

// errAdded ends a run whose topics have more partitions than at its start: the
// client library would notice that only after some minutes.
var errAdded = errors.New("partitions were added")

// watch checks the topics, from time to time and when something was found,
// until ctx ends. partitions is how many each had when the run began.
func (c *Consumer[R]) watch(ctx context.Context, partitions map[string]int) error {
	ticker := time.NewTicker(checkEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		case err := <-c.alarm:
			if errors.Is(err, projection.ErrRetention) {
				return err
			}
		}
		for _, topic := range c.config.Topics {
			// Kafka or the database being away is not what this looks for.
			now, _, err := c.open(ctx, topic)
			if errors.Is(err, projection.ErrRetention) {
				return err
			}
			if err == nil && len(now) > partitions[topic] {
				return errAdded
			}
		}
	}
}

// open returns the partitions of a topic and their checkpoints, made where
// they are missing, if Kafka still holds what the checkpoints need.
func (c *Consumer[R]) open(ctx context.Context, topic string) ([]projection.Partition, []projection.Checkpoint, error) {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	partitions, err := c.broker.Partitions(ctx, topic)
	if err != nil {
		return nil, nil, err
	}
	checkpoints, err := c.config.Store.Open(ctx, partitions)
	if err != nil {
		return nil, nil, err
	}
	// Another instance may have read on meanwhile: what Kafka holds must be
	// newer than the checkpoint that it is compared with.
	now, err := c.broker.Partitions(ctx, topic)
	if err != nil {
		return nil, nil, err
	}
	if len(now) != len(partitions) {
		return nil, nil, fmt.Errorf("topic %s had %d partitions and now has %d", topic, len(partitions), len(now))
	}
	partitions = now
	for i, checkpoint := range checkpoints {
		if err := checkpoint.Check(partitions[i]); err != nil {
			return nil, nil, err
		}
	}
	return partitions, checkpoints, nil
}

// align sets the consumer group to the checkpoint where it is ahead of it, as
// it is when the database was restored from a backup, and where Kafka has
// forgotten its offset. Where it is a little behind, it stays: repeats do no
// harm. It returns how many partitions there are.
func (c *Consumer[R]) align(ctx context.Context, topic string) (count int, err error) {
	partitions, _, err := c.open(ctx, topic)
	if err != nil {
		return 0, err
	}
	committed, err := c.broker.Committed(ctx, c.group(topic), partitions)
	if err != nil {
		return 0, err
	}
	// Read after the offsets: a live group commits only what its checkpoint
	// has passed.
	partitions, checkpoints, err := c.open(ctx, topic)
	if err != nil {
		return 0, err
	}
	offsets := misplaced(partitions, checkpoints, committed)
	if offsets == nil {
		return len(partitions), nil
	}
	return len(partitions), c.broker.Commit(ctx, c.group(topic), partitions, offsets)
}

// misplaced returns the offsets to which a group must be set, -1 where it
// stands well, or nil if it does so everywhere.
func misplaced(partitions []projection.Partition, checkpoints []projection.Checkpoint, committed []int64) []int64 {
	var offsets []int64
	for i := range min(len(checkpoints), len(committed)) {
		next := checkpoints[i].NextOffset
		forgotten := committed[i] < 0 && next > partitions[i].Earliest
		if !forgotten && committed[i] <= next {
			continue
		}
		if offsets == nil {
			offsets = slices.Repeat([]int64{-1}, len(checkpoints))
		}
		offsets[i] = next
	}
	return offsets
}
