package projection

import (
	"errors"
	"time"
)

// GenerationState says what a generation is for.
type GenerationState string

// The states of a generation.
const (
	// Building: it is being made from the topics; nobody reads it.
	Building GenerationState = "building"
	// Checking: it is fed as the live one is, while whoever built it compares
	// the two.
	Checking GenerationState = "checking"
	// Live: it is what readers see. Each projection has one.
	Live GenerationState = "live"
	// Standby: it is fed as the live one is, and can become it at once.
	Standby GenerationState = "standby"
	// Retired: its rows are being removed.
	Retired GenerationState = "retired"
	// Pruned: nothing of it is left but its number, which is not used again.
	Pruned GenerationState = "pruned"
)

// IsFed reports whether consumers write a generation in this state.
func (s GenerationState) IsFed() bool { return s == Checking || s == Live || s == Standby }

// Generation is one making of a projection.
type Generation struct {
	Number int
	State  GenerationState
	// BeganAt is when it was begun, LiveSince when readers saw it last begin
	// to be live; zero if they never did.
	BeganAt   time.Time
	LiveSince time.Time
	// CompleteThrough is the TSO up to which it is confirmed to have every
	// record, 0 if it never was; it only grows.
	CompleteThrough uint64
}

// IsUnfinished reports whether a rebuild is at work on the generation, or was
// cut off.
func (g Generation) IsUnfinished() bool { return g.State == Building || g.State == Checking }

// The errors of generations.
var (
	// ErrFenced says that a generation is not what its writer takes it for:
	// somebody else has moved its checkpoint, or it is gone.
	ErrFenced = errors.New("the generation is no longer this writer's")
	// ErrBehind says that a generation has not read what the live one has.
	ErrBehind = errors.New("the generation is behind the live one")
	// ErrUnread says that a generation has not begun with a partition that is
	// there.
	ErrUnread = errors.New("the generation does not read a partition")
	// ErrApart says that two generations have not read the same.
	ErrApart = errors.New("the generations have not read the same")
	// ErrNoProjection says that there is no projection of a name.
	ErrNoProjection = errors.New("no such projection")
	// ErrNoGeneration says that there is no generation in the needed state.
	ErrNoGeneration = errors.New("no such generation")
)

// Batch is what was made of a run of records of one partition.
type Batch[R any] struct {
	Topic     string
	Partition int32
	// From is the offset of the first record, Next that behind the last one.
	From, Next int64
	// Watermark is the greatest one of the run, 0 if it has none.
	Watermark uint64
	// Items are those with rows or a dead letter, in the order of their
	// offsets.
	Items []Item[R]
}

// Rows returns the rows of all items.
func (b Batch[R]) Rows() []R {
	var rows []R
	for _, item := range b.Items {
		rows = append(rows, item.Rows...)
	}
	return rows
}

// halves cuts a batch in two; it must have two items. The watermark is that of
// the second one: the first may end before it.
func (b Batch[R]) halves() (first, second Batch[R]) {
	middle := len(b.Items) / 2
	first, second = b, b
	first.Items, second.Items = b.Items[:middle], b.Items[middle:]
	first.Next = second.Items[0].Record.Offset
	second.From = first.Next
	first.Watermark = 0
	return first, second
}
