package kafka

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/IBM/sarama"
	"github.com/google/uuid"

	"helfy/app/projection"
)

// Partitions returns the state of every partition of a topic, by number.
func (c Cluster) Partitions(ctx context.Context, topic string) ([]projection.Partition, error) {
	var partitions []projection.Partition
	err := c.withAdmin(ctx, func(admin sarama.ClusterAdmin) (err error) {
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
	slices.SortFunc(partitions, func(a, b projection.Partition) int { return cmp.Compare(a.Partition, b.Partition) })
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
