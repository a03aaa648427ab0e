package kafka

import (
	"errors"
	"fmt"

	"github.com/IBM/sarama"
	"github.com/google/uuid"

	"helfy/app/projection"
)

// Partitions returns the state of every partition of a topic.
func (b Brokers) Partitions(topic string) ([]projection.Partition, error) {
	var partitions []projection.Partition
	err := b.withAdmin(func(admin sarama.ClusterAdmin) (err error) {
		partitions, err = partitionsOf(admin, topic)
		return err
	})
	return partitions, err
}

func partitionsOf(admin sarama.ClusterAdmin, topic string) ([]projection.Partition, error) {
	described, err := describe(admin, topic)
	if err != nil {
		return nil, err
	}
	partitions := make([]projection.Partition, 0, len(described.Partitions))
	for _, p := range described.Partitions {
		partitions = append(partitions, projection.Partition{
			Topic: topic, TopicID: uuid.UUID(described.Uuid).String(), Partition: p.ID,
		})
	}
	earliest, err := offsets(admin, partitions, sarama.OffsetOldest)
	if err != nil {
		return nil, err
	}
	end, err := offsets(admin, partitions, sarama.OffsetNewest)
	if err != nil {
		return nil, err
	}
	for i := range partitions {
		partitions[i].Earliest, partitions[i].End = earliest[i], end[i]
	}
	return partitions, nil
}

// offsets returns the oldest or newest offset of each of the partitions of
// one topic.
func offsets(admin sarama.ClusterAdmin, partitions []projection.Partition, which int64) ([]int64, error) {
	if len(partitions) == 0 {
		return nil, nil
	}
	topic := partitions[0].Topic
	wanted := make(map[int32]int64, len(partitions))
	for _, p := range partitions {
		wanted[p.Partition] = which
	}
	answers, err := admin.ListOffsets(map[string]map[int32]int64{topic: wanted}, nil)
	if err != nil {
		return nil, fmt.Errorf("read offsets of topic %s: %w", topic, err)
	}
	result := make([]int64, len(partitions))
	for i, p := range partitions {
		answer := answers[topic][p.Partition]
		if answer == nil {
			return nil, fmt.Errorf("read offsets of %s: no answer", p)
		}
		if !errors.Is(answer.Err, sarama.ErrNoError) {
			return nil, fmt.Errorf("read offsets of %s: %w", p, answer.Err)
		}
		result[i] = answer.Offset
	}
	return result, nil
}

// Rewind sets a consumer group back to the checkpoint of each partition of a
// topic where it is ahead of it, as it is when the database was restored from
// a backup. Where it is behind, it stays: repeats do no harm. Kafka refuses
// while the group has members; checkpoints are in the order of partitions.
func (b Brokers) Rewind(group string, partitions []projection.Partition, checkpoints []projection.Checkpoint) error {
	return b.withAdmin(func(admin sarama.ClusterAdmin) error {
		ahead, err := aheadOf(admin, group, partitions, checkpoints)
		if err != nil || len(ahead) == 0 {
			return err
		}
		answer, err := admin.AlterConsumerGroupOffsets(group, ahead, nil)
		if err != nil {
			return fmt.Errorf("set consumer group %s back: %w", group, err)
		}
		for topic, errs := range answer.Errors {
			for partition, code := range errs {
				if code != sarama.ErrNoError {
					return fmt.Errorf("set consumer group %s back in %s[%d]: %w", group, topic, partition, code)
				}
			}
		}
		return nil
	})
}

// aheadOf returns the offsets to which a group must go back.
func aheadOf(
	admin sarama.ClusterAdmin, group string, partitions []projection.Partition, checkpoints []projection.Checkpoint,
) (map[string]map[int32]sarama.OffsetAndMetadata, error) {
	wanted := map[string][]int32{}
	for _, p := range partitions {
		wanted[p.Topic] = append(wanted[p.Topic], p.Partition)
	}
	committed, err := admin.ListConsumerGroupOffsets(group, wanted)
	if errors.Is(err, sarama.ErrGroupIDNotFound) {
		return nil, nil // it has not read anything yet
	}
	if err != nil {
		return nil, fmt.Errorf("read offsets of consumer group %s: %w", group, err)
	}
	ahead := map[string]map[int32]sarama.OffsetAndMetadata{}
	for i, p := range partitions {
		block := committed.GetBlock(p.Topic, p.Partition)
		if block == nil || block.Err != sarama.ErrNoError {
			return nil, fmt.Errorf("read offset of consumer group %s in %s: no answer", group, p)
		}
		if block.Offset <= checkpoints[i].NextOffset {
			continue
		}
		if ahead[p.Topic] == nil {
			ahead[p.Topic] = map[int32]sarama.OffsetAndMetadata{}
		}
		ahead[p.Topic][p.Partition] = sarama.OffsetAndMetadata{Offset: checkpoints[i].NextOffset, LeaderEpoch: -1}
	}
	return ahead, nil
}
