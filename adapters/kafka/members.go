package kafka

import (
	"context"
	"errors"
	"fmt"

	"github.com/IBM/sarama"
)

// Members returns how many members each consumer group has, in their order.
func (c Cluster) Members(ctx context.Context, groups ...string) ([]int, error) {
	members := make([]int, len(groups))
	err := c.withAdmin(ctx, func(admin sarama.ClusterAdmin) error {
		described, err := admin.DescribeConsumerGroups(groups)
		if err != nil {
			return fmt.Errorf("describe consumer groups: %w", err)
		}
		for _, one := range described {
			if !errors.Is(one.Err, sarama.ErrNoError) && !errors.Is(one.Err, sarama.ErrGroupIDNotFound) {
				return fmt.Errorf("describe consumer group %s: %w", one.GroupId, one.Err)
			}
			for i, group := range groups {
				if group == one.GroupId {
					members[i] = len(one.Members)
				}
			}
		}
		return nil
	})
	return members, err
}
