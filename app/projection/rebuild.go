package projection

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// Digest is a fingerprint of the rows of a generation: their number, and the
// sum of their hashes, so that their order does not matter.
type Digest struct {
	Rows int64
	Sum  string
}

// Generations looks after the generations of a projection. Its methods return
// ErrNoGeneration if there is none in the state that they need.
type Generations interface {
	// Begin returns the generation that is being built, a new one if none is.
	Begin(ctx context.Context) (number int, resumed bool, err error)
	// Live returns the number of the live generation.
	Live(ctx context.Context) (int, error)
	// Guard returns ErrRetention if the topics no longer hold what a
	// generation has ever read.
	Guard(ctx context.Context, partitions []Partition) error
	// Join lets consumers feed a generation that was built; it is a standby
	// from then on. It returns ErrBehind until the generation has read what
	// the live one has.
	Join(ctx context.Context, number int) error
	// Switch makes a standby the live one, and the live one a standby.
	Switch(ctx context.Context, number int) error
	// Discard ceases to feed a generation and removes its rows.
	Discard(ctx context.Context, number int) error
	// Digests returns the digests of two generations, of all rows up to the
	// least watermark of both, which it also returns. Where rows do not tell
	// which commit they belong to, it returns ErrApart until both have read
	// the same.
	Digests(ctx context.Context, one, other int) (through uint64, digests [2]Digest, err error)
	// Differences gives the rows in which a generation differs from the live
	// one, up to a watermark, to take, in the order of their keys. Its errors
	// are those of Digests and of take.
	Differences(ctx context.Context, live, number int, through uint64, take func(Difference) error) error
}

// Stage is what a rebuild is at.
type Stage string

// The stages of a rebuild, in their order.
const (
	StageRead    Stage = "read"    // records, up to the end that the topics had
	StageJoin    Stage = "join"    // until consumers feed the generation
	StageDerive  Stage = "derive"  // what is made of the rows themselves
	StageCompare Stage = "compare" // with the live generation
)

// Progress says how far a rebuild is.
type Progress struct {
	Stage      Stage
	Generation int
	// Done and Total count records; Total is 0 where it is not known.
	Done, Total int64
}

// Rebuild makes a projection anew from the topics, beside the live generation,
// and lets it take the place of that one.
type Rebuild[R any] struct {
	Name        string
	Projection  Projection[R]
	Topics      Topics
	Generations Generations
	// Partitions returns all partitions that the projection reads.
	Partitions func(ctx context.Context) ([]Partition, error)
	// Store returns the store of a generation that is being built.
	Store func(generation int) BuildStore[R]
	// Derive, if set, makes what is derived from a generation's rows, and
	// returns when it has come to the watermark that it had at the call.
	Derive func(ctx context.Context, generation int) error
	// Progress, if set, is told a few times a second how far it is.
	Progress func(Progress)
}

// RebuildOptions say what becomes of the new generation.
type RebuildOptions struct {
	// VerifyOnly compares it and throws it away.
	VerifyOnly bool
	// AcceptDifference lets it go live although it differs.
	AcceptDifference bool
	// Difference, if set, is given each row in which it differs from the live
	// one.
	Difference func(Difference) error
}

// Difference is a row that two generations do not have alike.
type Difference struct {
	Table string `json:"table"`
	// Key has the columns that identify the row.
	Key map[string]*string `json:"key"`
	// Live and New are its columns in the two, nil where there is no such row.
	Live map[string]*string `json:"live"`
	New  map[string]*string `json:"new"`
}

// Rebuilt is the result of a rebuild.
type Rebuilt struct {
	Generation int    `json:"generation"`
	Live       int    `json:"live"`
	Resumed    bool   `json:"resumed"`
	Records    int64  `json:"records"`
	Through    uint64 `json:"-"`
	// New and Old are the digests of the new generation and the live one.
	New Digest `json:"new"`
	Old Digest `json:"old"`
	// Equal says that the digests are, Switched that readers see the new one,
	// Discarded that it was thrown away.
	Equal     bool `json:"equal"`
	Switched  bool `json:"switched"`
	Discarded bool `json:"discarded"`
}

// ErrDiffers says that a rebuilt generation is not as the live one.
var ErrDiffers = errors.New("the rebuilt generation differs from the live one")

// joinTimeout bounds how long a rebuild tries to catch up with the consumers,
// or waits for them to catch up with it.
const (
	joinTimeout = time.Minute
	joinEvery   = 20 * time.Millisecond
)

// Run rebuilds. It goes on with a generation whose build was cut off. A
// difference is ErrDiffers, and the generation stays as a standby, to be
// looked at, unless the options say otherwise.
func (r Rebuild[R]) Run(ctx context.Context, options RebuildOptions) (Rebuilt, error) {
	var result Rebuilt
	partitions, err := r.Partitions(ctx)
	if err != nil {
		return result, err
	}
	if err := r.Generations.Guard(ctx, partitions); err != nil {
		return result, err
	}
	if result.Generation, result.Resumed, err = r.Generations.Begin(ctx); err != nil {
		return result, err
	}
	if result.Records, err = r.build(ctx, result.Generation, partitions); err != nil {
		return result, err
	}
	if r.Derive != nil {
		r.tell(Progress{Stage: StageDerive, Generation: result.Generation})
		if err := r.Derive(ctx, result.Generation); err != nil {
			return result, fmt.Errorf("derive generation %d: %w", result.Generation, err)
		}
	}
	return r.settle(ctx, result, options)
}

// settle compares and decides.
func (r Rebuild[R]) settle(ctx context.Context, result Rebuilt, options RebuildOptions) (Rebuilt, error) {
	r.tell(Progress{Stage: StageCompare, Generation: result.Generation})
	live, err := r.Generations.Live(ctx)
	if err != nil {
		return result, err
	}
	result.Live = live
	err = whenLevel(ctx, func() error {
		through, digests, err := r.Generations.Digests(ctx, live, result.Generation)
		result.Through, result.Old, result.New = through, digests[0], digests[1]
		return err
	})
	if err != nil {
		return result, err
	}
	result.Equal = result.Old == result.New
	if !result.Equal && options.Difference != nil {
		err := whenLevel(ctx, func() error {
			return r.Generations.Differences(ctx, live, result.Generation, result.Through, options.Difference)
		})
		if err != nil {
			return result, err
		}
	}
	switch {
	case options.VerifyOnly:
		err = r.Generations.Discard(ctx, result.Generation)
		result.Discarded = err == nil
	case result.Equal || options.AcceptDifference:
		err = r.Generations.Switch(ctx, result.Generation)
		result.Switched = err == nil
	}
	if err == nil && !result.Equal && !result.Switched {
		err = fmt.Errorf("%w: %d rows with digest %s, live %d with %s",
			ErrDiffers, result.New.Rows, result.New.Sum, result.Old.Rows, result.Old.Sum)
	}
	return result, err
}

// whenLevel calls compare until it does not return ErrApart: the consumers,
// which feed both generations, soon come to where the new one was read to.
func whenLevel(ctx context.Context, compare func() error) error {
	deadline := time.Now().Add(joinTimeout)
	for {
		err := compare()
		if !errors.Is(err, ErrApart) {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("no consumer has fed both in %s: %w", joinTimeout, err)
		}
		select {
		case <-time.After(joinEvery):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// build reads the topics to their ends, and on until consumers feed the
// generation.
func (r Rebuild[R]) build(ctx context.Context, generation int, partitions []Partition) (int64, error) {
	var read atomic.Int64
	build := Build[R]{Projection: r.Projection, Store: r.Store(generation), Topics: r.Topics, Read: &read}
	total := int64(0)
	for _, p := range partitions {
		total += p.End - p.Earliest
	}
	stop := r.watch(Progress{Stage: StageRead, Generation: generation, Total: total}, &read)
	err := build.Run(ctx, partitions, false)
	stop()
	if err != nil {
		return read.Load(), err
	}
	r.tell(Progress{Stage: StageJoin, Generation: generation, Done: read.Load()})
	return read.Load(), r.join(ctx, build, generation, partitions)
}

// join follows the topics until the generation has read what the consumers
// have, at the moment when these begin to feed it.
func (r Rebuild[R]) join(ctx context.Context, build Build[R], generation int, partitions []Partition) error {
	ctx, cancel := context.WithTimeoutCause(ctx, joinTimeout, ErrBehind)
	defer cancel()
	following, stop := context.WithCancel(ctx)
	defer stop()
	joined := false
	group, groupCtx := errgroup.WithContext(following)
	group.Go(func() error {
		err := build.Run(groupCtx, partitions, true)
		if errors.Is(err, ErrFenced) && following.Err() == nil {
			// Consumers have begun to write it while a batch was on its way.
			<-following.Done()
		}
		return err
	})
	group.Go(func() error {
		defer stop()
		for {
			err := r.Generations.Join(groupCtx, generation)
			if joined = err == nil; joined || !errors.Is(err, ErrBehind) {
				return err
			}
			select {
			case <-time.After(joinEvery):
			case <-groupCtx.Done():
				return context.Cause(groupCtx)
			}
		}
	})
	if err := group.Wait(); err != nil && !joined {
		return fmt.Errorf("catch up with the consumers: %w", err)
	}
	return nil
}

// tellEvery is how often progress is told.
const tellEvery = 250 * time.Millisecond

// watch tells progress until stop is called.
func (r Rebuild[R]) watch(progress Progress, done *atomic.Int64) (stop func()) {
	ending, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		ticker := time.NewTicker(tellEvery)
		defer ticker.Stop()
		for {
			progress.Done = done.Load()
			r.tell(progress)
			select {
			case <-ticker.C:
			case <-ending:
				progress.Done = done.Load()
				r.tell(progress)
				return
			}
		}
	}()
	return func() { close(ending); <-ended }
}

func (r Rebuild[R]) tell(progress Progress) {
	if r.Progress != nil {
		r.Progress(progress)
	}
}
