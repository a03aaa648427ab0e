package projection

import (
	"errors"
	"fmt"
)

// Partition is the state of one partition in Kafka.
type Partition struct {
	Topic     string
	TopicID   string
	Partition int32
	// Earliest is the offset of the first record that Kafka still has, End
	// the offset that the next one will get.
	Earliest int64
	End      int64
}

// String names the partition.
func (p Partition) String() string { return fmt.Sprintf("%s[%d]", p.Topic, p.Partition) }

// Checkpoint is how far a generation of a projection has read one partition.
type Checkpoint struct {
	TopicID string
	// FirstOffset is where it began, NextOffset where it goes on.
	FirstOffset int64
	NextOffset  int64
	// Watermark is the greatest TSO promised so far.
	Watermark uint64
}

// ErrRetention says that Kafka no longer has what a checkpoint needs, so that
// the projection cannot go on without a hole.
var ErrRetention = errors.New("kafka does not hold what the checkpoint needs")

// Check reports whether reading can go on from the checkpoint. Its errors
// wrap ErrRetention and name the partition and the gap.
func (c Checkpoint) Check(p Partition) error {
	if err := c.checkTopic(p.Topic, p.TopicID); err != nil {
		return err
	}
	switch {
	case p.Earliest > c.NextOffset:
		return fmt.Errorf("%w: %s begins at offset %d, offsets %d to %d are gone",
			ErrRetention, p, p.Earliest, c.NextOffset, p.Earliest-1)
	case p.End < c.NextOffset:
		return fmt.Errorf("%w: %s ends at offset %d, but it was read up to %d",
			ErrRetention, p, p.End, c.NextOffset)
	}
	return nil
}

// checkTopic reports whether a topic is the one that the checkpoint is for.
func (c Checkpoint) checkTopic(topic, id string) error {
	if c.TopicID != id {
		return fmt.Errorf("%w: topic %s was recreated: its id is %s, the checkpoint is for %s", ErrRetention, topic, id, c.TopicID)
	}
	return nil
}

// CheckWhole reports whether all that was ever read up to the checkpoint can
// be read again. Its errors are those of Check.
func (c Checkpoint) CheckWhole(p Partition) error {
	if err := c.Check(p); err != nil {
		return err
	}
	if p.Earliest > c.FirstOffset {
		return fmt.Errorf("%w: %s begins at offset %d, offsets %d to %d are gone",
			ErrRetention, p, p.Earliest, c.FirstOffset, p.Earliest-1)
	}
	return nil
}
