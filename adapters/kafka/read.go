package kafka

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"helfy/app/projection"
)

var _ projection.Topics = Cluster{}

const (
	// fetchBytes bounds an answer of a broker, and so what waits to be taken.
	fetchBytes = 1 << 20
	// readSilence is how long a broker may say nothing of records that it has.
	readSilence = 30 * time.Second
)

// Read implements projection.Topics. It uses franz-go, which gives records in
// the batches that they come in, where the consumers' client gives one at a
// time through channels: three to five times as many a second.
func (c Cluster) Read(
	ctx context.Context, partition projection.Partition, from, to int64, take func([]projection.Record) error,
) error {
	client, err := c.newClient(
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{
			partition.Topic: {partition.Partition: kgo.NewOffset().At(from)},
		}),
		// An offset that Kafka no longer has must not be skipped in silence.
		kgo.ConsumeResetOffset(kgo.NoResetOffset()),
		kgo.FetchMaxPartitionBytes(fetchBytes),
		kgo.FetchMaxBytes(fetchBytes),
		kgo.FetchMaxWait(100*time.Millisecond),
	)
	if err != nil {
		return err
	}
	defer client.Close()
	for next := from; to < 0 || next < to; {
		records, err := c.poll(ctx, client, to < 0)
		if err != nil {
			if to < 0 && ctx.Err() != nil {
				return nil
			}
			return err
		}
		if to >= 0 {
			records = before(records, to)
		}
		if len(records) == 0 {
			continue
		}
		for _, record := range records {
			if record.Offset != next {
				return fmt.Errorf("%s follows offset %d: Kafka has lost what was between", record, next-1)
			}
			next++
		}
		if err := take(records); err != nil {
			return err
		}
	}
	return nil
}

// poll waits for records; one that follows a topic waits for as long as none
// are written.
func (c Cluster) poll(ctx context.Context, client *kgo.Client, follow bool) ([]projection.Record, error) {
	waiting := ctx
	if !follow {
		var cancel context.CancelFunc
		waiting, cancel = context.WithTimeout(ctx, readSilence)
		defer cancel()
	}
	fetches := client.PollFetches(waiting)
	var faults []error
	fetches.EachError(func(_ string, _ int32, err error) { faults = append(faults, err) })
	if err := c.explain(errors.Join(faults...)); err != nil {
		if ctx.Err() == nil && waiting.Err() != nil {
			return nil, fmt.Errorf("no record for %s: %w", readSilence, err)
		}
		return nil, err
	}
	var records []projection.Record
	fetches.EachRecord(func(r *kgo.Record) {
		records = append(records, projection.Record{
			Topic: r.Topic, Partition: r.Partition, Offset: r.Offset, Value: r.Value, At: r.Timestamp.UTC(),
		})
	})
	return records, nil
}

// before returns the records before an offset.
func before(records []projection.Record, to int64) []projection.Record {
	for i, record := range records {
		if record.Offset >= to {
			return records[:i]
		}
	}
	return records
}
