package projection

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	// joinTimeout bounds how long a rebuild tries to catch up with the
	// consumers, or waits for them to catch up with it.
	joinTimeout = time.Minute
	joinEvery   = 20 * time.Millisecond
	// maxJoins bounds how often it begins again for partitions that were added
	// meanwhile.
	maxJoins = 10
	// joinRecords is how many records share a flush when a rebuild does what
	// consumers do.
	joinRecords = 256
)

// build reads the topics to their ends, and on until consumers feed the
// generation.
func (r Rebuild[R]) build(ctx context.Context, generation int, partitions []Partition, sideBySide int) (int64, error) {
	var read atomic.Int64
	build := Build[R]{Projection: r.Projection, Store: r.Store(generation), Topics: r.Topics, Read: &read, SideBySide: sideBySide}
	before, total, err := r.extent(ctx, build, partitions)
	if err != nil {
		return 0, err
	}
	read.Store(before)
	stop := r.watch(Progress{Stage: StageRead, Generation: generation, Total: total}, &read)
	err = build.Run(ctx, partitions, false)
	stop()
	if err != nil {
		return read.Load() - before, err
	}
	r.tell(Progress{Stage: StageJoin, Generation: generation, Done: read.Load(), Total: total})
	for range maxJoins {
		// Reading may have taken long: look again what is there.
		if partitions, err = r.partitions(ctx); err != nil {
			break
		}
		// Join must find the checkpoints of those that were added.
		if _, err = build.Store.Open(ctx, partitions); err != nil {
			break
		}
		if err = r.join(ctx, build, generation, partitions); !errors.Is(err, ErrUnread) {
			break
		}
	}
	return read.Load() - before, err
}

// extent returns how many records were read before, and how many there are.
func (r Rebuild[R]) extent(ctx context.Context, build Build[R], partitions []Partition) (before, total int64, err error) {
	checkpoints, err := build.Store.Open(ctx, partitions)
	if err != nil {
		return 0, 0, err
	}
	for i, c := range checkpoints {
		before += c.NextOffset - c.FirstOffset
		total += max(partitions[i].End, c.NextOffset) - c.FirstOffset
	}
	return before, total, nil
}

// join follows the topics until the generation has read what the consumers
// have, at the moment when these begin to feed it.
func (r Rebuild[R]) join(ctx context.Context, build Build[R], generation int, partitions []Partition) error {
	ctx, cancel := context.WithTimeout(ctx, joinTimeout)
	defer cancel()
	following, stop := context.WithCancel(ctx)
	defer stop()
	group, groupCtx := errgroup.WithContext(following)
	group.Go(func() error {
		err := build.Run(groupCtx, partitions, true)
		if errors.Is(err, ErrFenced) {
			// Consumers have begun to write it while a batch was on its way.
			<-following.Done()
		}
		if following.Err() != nil {
			return nil //nolint:nilerr // what counts is how the other one ends
		}
		return err
	})
	group.Go(func() error {
		defer stop()
		return r.joinWhenLevel(groupCtx, generation)
	})
	if err := group.Wait(); err != nil {
		return fmt.Errorf("catch up with the consumers: %w", err)
	}
	return nil
}

// joinWhenLevel tries until the generation is no longer behind, or ctx ends.
func (r Rebuild[R]) joinWhenLevel(ctx context.Context, generation int) error {
	for {
		err := r.Generations.Join(ctx, generation)
		if err == nil || !errors.Is(err, ErrBehind) {
			return err
		}
		select {
		case <-time.After(joinEvery):
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", ctx.Err(), err)
		}
	}
}

// feedAfter is how long a rebuild waits for consumers to feed both generations
// before it does so itself.
const feedAfter = 2 * time.Second

// complete returns when it is known how complete the generation is. Where a
// partition was empty until the generation was built, that takes somebody who
// reads it further.
func (r Rebuild[R]) complete(ctx context.Context, generation int) error {
	fed, cancel := context.WithTimeout(ctx, feedAfter)
	err := r.Complete(fed, generation)
	late := fed.Err() != nil
	cancel()
	if err == nil || ctx.Err() != nil || !late {
		return err
	}
	if err := r.feed(ctx); err != nil {
		return fmt.Errorf("feed both generations: %w", err)
	}
	return r.Complete(ctx, generation)
}

// whenLevel calls compare until it does not return ErrApart: the consumers,
// which feed both generations, soon come to where the new one was read to.
func (r Rebuild[R]) whenLevel(ctx context.Context, compare func() error) error {
	began, fed := time.Now(), false
	for {
		err := compare()
		waited := time.Since(began)
		switch {
		case !errors.Is(err, ErrApart):
			return err
		case fed && waited > joinTimeout:
			return fmt.Errorf("after %s: %w", joinTimeout, err)
		case !fed && waited > feedAfter:
			if err := r.feed(ctx); err != nil {
				return fmt.Errorf("feed both generations: %w", err)
			}
			fed = true
		}
		select {
		case <-time.After(joinEvery):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// feed does what consumers do, up to the ends that the topics have. Where one
// runs, this is a repeat of what it does.
func (r Rebuild[R]) feed(ctx context.Context) error {
	partitions, err := r.partitions(ctx)
	if err != nil {
		return err
	}
	checkpoints, err := r.Fed.Open(ctx, partitions)
	if err != nil {
		return err
	}
	writer := NewWriter(r.Projection, r.Fed, WriterConfig{})
	writing, stop := context.WithCancel(ctx)
	defer stop()
	var readers, all errgroup.Group
	all.Go(func() error { return writer.Run(writing) })
	for i, p := range partitions {
		if checkpoints[i].NextOffset >= p.End {
			continue
		}
		readers.Go(func() error {
			return r.Topics.Read(ctx, p, checkpoints[i].NextOffset, p.End, func(records []Record) error {
				for some := range slices.Chunk(records, joinRecords) {
					if _, err := writer.Write(some); err != nil {
						return err
					}
				}
				return nil
			})
		})
	}
	err = readers.Wait()
	stop()
	return errors.Join(err, all.Wait())
}
