package kafka

import (
	"context"
	"errors"
	"fmt"

	"github.com/IBM/sarama"

	"helfy/app/projection"
)

// Committed returns the offset that a consumer group has committed in each
// partition, in their order, -1 where it has none.
func (c Cluster) Committed(ctx context.Context, group string, partitions []projection.Partition) ([]int64, error) {
	offsets := make([]int64, len(partitions))
	err := c.withAdmin(ctx, func(admin sarama.ClusterAdmin) error {
		wanted := map[string][]int32{}
		for i, p := range partitions {
			offsets[i] = -1
			wanted[p.Topic] = append(wanted[p.Topic], p.Partition)
		}
		committed, err := admin.ListConsumerGroupOffsets(group, wanted)
		if errors.Is(err, sarama.ErrGroupIDNotFound) {
			return nil // it has not read anything yet
		}
		if err != nil {
			return fmt.Errorf("read offsets of consumer group %s: %w", group, err)
		}
		for i, p := range partitions {
			block := committed.GetBlock(p.Topic, p.Partition)
			if block == nil || !errors.Is(block.Err, sarama.ErrNoError) {
				return fmt.Errorf("read offset of consumer group %s in %s: no answer", group, p)
			}
			offsets[i] = block.Offset
		}
		return nil
	})
	return offsets, err
}

// Commit sets the offset of a consumer group in each partition, in their
// order, and leaves it where the offset is negative. Kafka refuses while the
// group has members.
func (c Cluster) Commit(ctx context.Context, group string, partitions []projection.Partition, offsets []int64) error {
	return c.withAdmin(ctx, func(admin sarama.ClusterAdmin) error {
		wanted := map[string]map[int32]sarama.OffsetAndMetadata{}
		for i, p := range partitions {
			if offsets[i] < 0 {
				continue
			}
			if wanted[p.Topic] == nil {
				wanted[p.Topic] = map[int32]sarama.OffsetAndMetadata{}
			}
			wanted[p.Topic][p.Partition] = sarama.OffsetAndMetadata{Offset: offsets[i], LeaderEpoch: -1}
		}
		answer, err := admin.AlterConsumerGroupOffsets(group, wanted, nil)
		if err != nil {
			return fmt.Errorf("set offsets of consumer group %s: %w", group, err)
		}
		for topic, codes := range answer.Errors {
			for partition, code := range codes {
				if !errors.Is(code, sarama.ErrNoError) {
					return fmt.Errorf("set offset of consumer group %s in %s[%d]: %w", group, topic, partition, code)
				}
			}
		}
		return nil
	})
}
