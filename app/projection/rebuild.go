package projection

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync/atomic"
	"time"
)

// Digest is a fingerprint of the rows of a generation: their number, and the
// sum of their hashes, so that their order does not matter.
type Digest struct {
	Rows int64  `json:"rows"`
	Sum  string `json:"sum"`
}

// AllRows is the watermark of a comparison that leaves no row out.
const AllRows uint64 = math.MaxUint64

// Generations looks after the generations of a projection. Its methods return
// ErrNoGeneration if there is none in the state that they need.
type Generations interface {
	// Begin returns the generation whose rebuild was cut off, which is Building
	// or Checking, or a new one if there is none.
	Begin(ctx context.Context) (generation Generation, resumed bool, err error)
	// Supersede removes the generations that have never been live and that
	// nobody goes on with: those that differed, and, with unfinished, also
	// that whose rebuild was cut off.
	Supersede(ctx context.Context, unfinished bool) error
	// Live returns the number of the live generation.
	Live(ctx context.Context) (int, error)
	// Guard returns what look finds, and ErrRetention if that no longer holds
	// what a generation has ever read.
	Guard(ctx context.Context, look func(context.Context) ([]Partition, error)) ([]Partition, error)
	// Join lets consumers feed a generation that was built; it is Checking
	// from then on. It returns ErrBehind until the generation has read what
	// the live one has, and ErrUnread if that reads a partition that the
	// generation has not begun with.
	Join(ctx context.Context, number int) error
	// Switch makes a generation that is fed the live one, and the live one a
	// standby.
	Switch(ctx context.Context, number int) error
	// Keep makes a generation that is Checking a standby.
	Keep(ctx context.Context, number int) error
	// Discard ceases to feed a generation and removes its rows.
	Discard(ctx context.Context, number int) error
	// Digests returns the digests of two generations, of all rows up to the
	// least watermark of both, which it also returns, or, if one has none, of
	// all rows: through is AllRows then. Where rows do not tell which commit
	// they belong to, it returns ErrApart until both have read the same.
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
	StageWait    Stage = "wait"    // until TiDB or Kafka is back
)

// Progress says how far a rebuild is.
type Progress struct {
	Stage      Stage
	Generation int
	// Done and Total count records; Total is 0 where it is not known.
	Done, Total int64
	// Trouble says what StageWait waits for the end of.
	Trouble error
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
	// Fed is the store that consumers write.
	Fed FedStore[R]
	// Complete returns when it is known how complete a generation that is fed
	// is, which holds at the call or later.
	Complete func(ctx context.Context, generation int) error
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
	// AcceptDifference lets it go live although it differs. The rebuild begins
	// anew then, unless GoOn says that what was cut off was built by the same
	// code.
	AcceptDifference bool
	GoOn             bool
	// Difference, if set, is given each row in which it differs from the live
	// one.
	Difference func(Difference) error
	// SideBySide is how many partitions are read at a time, 0 for as many as
	// memory allows: the fewer, the less others are held up.
	SideBySide int
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
	// Compared says that it came to the comparison, of which the rest tells.
	Compared bool `json:"-"`
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

// Run rebuilds. It goes on with a generation whose rebuild was cut off. A
// difference is ErrDiffers, and the generation stays as a standby, to be
// looked at, until the next rebuild, unless the options say otherwise.
//
// What was built by other code, and differs for it, must not be mixed with
// what this code builds: to accept a difference, a rebuild begins anew.
func (r Rebuild[R]) Run(ctx context.Context, options RebuildOptions) (Rebuilt, error) {
	var result Rebuilt
	partitions, err := r.partitions(ctx)
	if err != nil {
		return result, err
	}
	if err := r.Generations.Supersede(ctx, options.AcceptDifference && !options.GoOn); err != nil {
		return result, err
	}
	generation, resumed, err := r.Generations.Begin(ctx)
	if err != nil {
		return result, err
	}
	result.Generation, result.Resumed = generation.Number, resumed
	if generation.State == Building {
		if result.Records, err = r.build(ctx, generation.Number, partitions, options.SideBySide); err != nil {
			return result, r.advise(generation.Number, err)
		}
	}
	if result.Live, err = r.Generations.Live(ctx); err != nil {
		return result, err
	}
	if err := r.complete(ctx, result.Generation); err != nil {
		return result, err
	}
	if err := r.derive(ctx, result.Live, result.Generation); err != nil {
		return result, err
	}
	return r.settle(ctx, result, options)
}

// advise says how to get rid of a generation that cannot be built further.
func (r Rebuild[R]) advise(generation int, err error) error {
	if errors.Is(err, ErrRetention) {
		return fmt.Errorf("generation %d cannot go on (helfy projections prune %s removes it): %w", generation, r.Name, err)
	}
	return err
}

// partitions returns all partitions, if they hold what was ever read.
func (r Rebuild[R]) partitions(ctx context.Context) ([]Partition, error) {
	return r.Generations.Guard(ctx, r.Partitions)
}

// derive makes what is derived of both generations: they are compared no
// further.
func (r Rebuild[R]) derive(ctx context.Context, generations ...int) error {
	if r.Derive == nil {
		return nil
	}
	for _, generation := range generations {
		r.tell(Progress{Stage: StageDerive, Generation: generation})
		if err := r.Derive(ctx, generation); err != nil {
			return fmt.Errorf("derive generation %d: %w", generation, err)
		}
	}
	return nil
}

// settle compares and decides.
func (r Rebuild[R]) settle(ctx context.Context, result Rebuilt, options RebuildOptions) (Rebuilt, error) {
	r.tell(Progress{Stage: StageCompare, Generation: result.Generation})
	err := r.whenLevel(ctx, func() error {
		through, digests, err := r.Generations.Digests(ctx, result.Live, result.Generation)
		result.Through, result.Old, result.New = through, digests[0], digests[1]
		return err
	})
	if err != nil {
		return result, err
	}
	result.Compared, result.Equal = true, result.Old == result.New
	if !result.Equal && options.Difference != nil {
		err := r.whenLevel(ctx, func() error {
			return r.Generations.Differences(ctx, result.Live, result.Generation, result.Through, options.Difference)
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
	default:
		err = r.Generations.Keep(ctx, result.Generation)
	}
	if err == nil && !result.Equal && !result.Switched {
		err = fmt.Errorf("%w: %d rows with digest %s, live %d with %s",
			ErrDiffers, result.New.Rows, result.New.Sum, result.Old.Rows, result.Old.Sum)
	}
	return result, err
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
