package kafka

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"helfy/app/live"
	"helfy/app/projection"
)

var _ live.Source = (*Observer)(nil)

const (
	// followWait is how long a broker that has no new record keeps the answer
	// back; it answers as soon as it has one.
	followWait = 5 * time.Second
	// followPause is the longest pause between two tries to reach a broker.
	followPause = time.Second
)

// Follow implements live.Source: one client for all partitions.
func (c Cluster) Follow(ctx context.Context, from []projection.Partition, take func([]projection.Record) error) error {
	offsets := map[string]map[int32]kgo.Offset{}
	for _, p := range from {
		if offsets[p.Topic] == nil {
			offsets[p.Topic] = map[int32]kgo.Offset{}
		}
		offsets[p.Topic][p.Partition] = kgo.NewOffset().At(p.End)
	}
	client, err := c.newClient(
		kgo.ConsumePartitions(offsets),
		// An offset that Kafka no longer has must not be skipped in silence.
		kgo.ConsumeResetOffset(kgo.NoResetOffset()),
		kgo.FetchMaxPartitionBytes(fetchBytes),
		kgo.FetchMaxBytes(fetchBytes),
		kgo.FetchMaxWait(followWait),
		kgo.MetadataMinAge(followPause),
		kgo.RetryBackoffFn(func(tries int) time.Duration { return min(followPause, 50*time.Millisecond<<min(tries, 10)) }),
	)
	if err != nil {
		return err
	}
	defer client.Close()
	for {
		records, err := c.poll(ctx, client, true)
		if ctx.Err() != nil {
			return nil //nolint:nilerr // it was to follow until then
		}
		if err != nil {
			return fmt.Errorf("follow the topics: %w", err)
		}
		if err := take(records); err != nil {
			if errors.Is(err, live.ErrEnough) {
				return nil
			}
			return err
		}
	}
}
