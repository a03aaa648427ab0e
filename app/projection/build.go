package projection

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// Topics reads the records of partitions, without a consumer group.
type Topics interface {
	// Read gives the records of a partition from an offset on to take, in
	// order, in chunks whose size is the reader's choice, until the one before
	// to, or, if to is negative, until ctx ends. It returns the error of take
	// as it is.
	Read(ctx context.Context, partition Partition, from, to int64, take func([]Record) error) error
}

// BuildStore keeps a generation that is being built.
type BuildStore[R any] interface {
	// Open makes the checkpoints that are missing, at the earliest offset of
	// their partition, and returns the checkpoint of each partition, in their
	// order.
	Open(ctx context.Context, partitions []Partition) ([]Checkpoint, error)
	// Write makes a batch durable in one transaction, together with the
	// checkpoint, which must stand at the batch's From; otherwise the error is
	// ErrFenced. It is ErrRejected if the database will never take a row.
	// Batches of one partition come one after the other.
	Write(ctx context.Context, batch Batch[R]) error
}

// Build makes a generation from topics: partitions side by side, each decoded
// while the batch before it is written.
type Build[R any] struct {
	Projection Projection[R]
	Store      BuildStore[R]
	Topics     Topics
	// Read counts the records that are durable, while Run runs.
	Read *atomic.Int64
	// SideBySide is how many partitions are read at a time, 0 for as many as
	// memory allows.
	SideBySide int
}

// The bounds of a batch: what TiDB takes well in one transaction, and how many
// records, most of them watermarks of an idle service, share a checkpoint.
const (
	maxBatchRows    = 1000
	maxBatchBytes   = 4 << 20
	maxBatchRecords = 50_000
	// maxSideBySide bounds how many partitions are read at a time, and so the
	// memory that their records take.
	maxSideBySide = 16
	// batchTimeout bounds the write of a batch.
	batchTimeout = 30 * time.Second
)

// Run reads the partitions from the generation's checkpoints up to their ends,
// or, with follow, until ctx ends. It returns the first error; what was
// written before it stays, and another Run goes on behind it.
func (b Build[R]) Run(ctx context.Context, partitions []Partition, follow bool) error {
	checkpoints, err := b.Store.Open(ctx, partitions)
	if err != nil {
		return err
	}
	for i, partition := range partitions {
		if err := checkpoints[i].Check(partition); err != nil {
			return err
		}
	}
	group, ctx := errgroup.WithContext(ctx)
	if !follow { // whoever follows must not wait for the end of another
		group.SetLimit(cmp.Or(b.SideBySide, maxSideBySide))
	}
	for i, partition := range partitions {
		to := partition.End
		if follow {
			to = -1
		}
		if from := checkpoints[i].NextOffset; follow || from < to {
			group.Go(func() error { return b.partition(ctx, partition, from, to) })
		}
	}
	return group.Wait()
}

// partition reads one partition, and writes what was made of a chunk while the
// next one is read.
func (b Build[R]) partition(ctx context.Context, partition Partition, from, to int64) error {
	group, ctx := errgroup.WithContext(ctx)
	batches := make(chan Batch[R], 1)
	group.Go(func() error {
		defer close(batches)
		err := b.Topics.Read(ctx, partition, from, to, func(records []Record) error {
			return b.project(ctx, records, batches)
		})
		if err != nil {
			return fmt.Errorf("read %s: %w", partition, err)
		}
		return nil
	})
	group.Go(func() error {
		for batch := range batches {
			if err := b.write(ctx, batch); err != nil {
				return err
			}
		}
		return nil
	})
	return group.Wait()
}

// write makes a batch durable. Of one that the database rejects only the
// record at fault becomes a dead letter.
func (b Build[R]) write(ctx context.Context, batch Batch[R]) error {
	err := b.writeWhole(ctx, batch)
	if !errors.Is(err, ErrRejected) {
		return err
	}
	if len(batch.Items) > 1 {
		first, second := batch.halves()
		if err := b.write(ctx, first); err != nil {
			return err
		}
		return b.write(ctx, second)
	}
	if len(batch.Items) == 0 || batch.Items[0].DeadLetter != "" {
		return err
	}
	batch.Items = []Item[R]{{Record: batch.Items[0].Record, DeadLetter: rejection(err)}}
	return b.writeWhole(ctx, batch)
}

func (b Build[R]) writeWhole(ctx context.Context, batch Batch[R]) error {
	ctx, cancel := context.WithTimeout(ctx, batchTimeout)
	defer cancel()
	if err := b.Store.Write(ctx, batch); err != nil {
		return fmt.Errorf("write %s[%d]@%d to %d: %w", batch.Topic, batch.Partition, batch.From, batch.Next-1, err)
	}
	b.Read.Add(batch.Next - batch.From)
	return nil
}

// project cuts a chunk into batches.
func (b Build[R]) project(ctx context.Context, records []Record, batches chan<- Batch[R]) error {
	for len(records) > 0 {
		batch, count := b.batch(records)
		records = records[count:]
		select {
		case batches <- batch:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// batch makes a batch of the first records, and tells how many.
func (b Build[R]) batch(records []Record) (batch Batch[R], count int) {
	first := records[0]
	batch = Batch[R]{Topic: first.Topic, Partition: first.Partition, From: first.Offset, Next: first.Offset}
	rows, bytes := 0, 0
	for _, record := range records {
		if count > 0 && (count == maxBatchRecords || rows >= maxBatchRows || bytes >= maxBatchBytes) {
			break
		}
		count++
		batch.Next = record.Offset + 1
		_, item := Project(b.Projection, record)
		batch.Watermark = max(batch.Watermark, item.Watermark)
		if len(item.Rows) == 0 && item.DeadLetter == "" {
			continue
		}
		batch.Items = append(batch.Items, item)
		rows += max(1, len(item.Rows))
		bytes += len(record.Value)
	}
	return batch, count
}
