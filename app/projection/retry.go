package projection

import (
	"context"
	"errors"
	"fmt"
)

// ErrNotWhole says that the bytes which are kept of a dead letter are not the
// record's, or not all of them, so that it can only be read from the topic.
var ErrNotWhole = errors.New("what is kept is not the whole record as it was: helfy rebuild reads it from the topic")

// RetryStore has the dead letters of a projection that can be tried again.
type RetryStore[R any] interface {
	// Places returns at most limit places of dead letters behind one, or the
	// first ones, in order: those of all generations that are fed.
	Places(ctx context.Context, behind *Place, limit int) ([]Place, error)
	// Record returns what is a dead letter at a place. Its error is
	// ErrNoDeadLetter or ErrNotWhole, or comes from the database.
	Record(ctx context.Context, at Place) (Record, error)
	// Retry writes what was made of a record into every generation that is
	// fed and has it as a dead letter, and removes the dead letters, in one
	// transaction; if the item is one still, they get its reason. The error is
	// ErrNoDeadLetter if no generation has it, or wraps ErrRejected, or comes
	// from the database.
	Retry(ctx context.Context, item Item[R]) error
}

// Retried is what became of a dead letter that was tried again.
type Retried struct {
	Projection string
	Place
	// Rows is how many rows were made of it.
	Rows int
	// Reason says why nothing can be made of it still, empty if something
	// could.
	Reason string
}

// RetriedLetter is what became of a dead letter, and its state if it is one
// still.
type RetriedLetter struct {
	Retried
	State DeadLetterState
}

// Retry makes a dead letter's rows by the function that makes them of every
// record, as after an upgrade that understands it.
func Retry[R any](ctx context.Context, projection Projection[R], store RetryStore[R], at Place) (Retried, error) {
	record, err := store.Record(ctx, at)
	if err != nil {
		return Retried{}, fmt.Errorf("retry %s: %w", at, err)
	}
	_, item := Project(projection, record)
	err = store.Retry(ctx, item)
	if errors.Is(err, ErrRejected) && item.DeadLetter == "" {
		item.DeadLetter, item.Rows = reason(err.Error()), nil
		err = store.Retry(ctx, item)
	}
	if err != nil {
		return Retried{}, fmt.Errorf("retry %s: %w", at, err)
	}
	return Retried{Place: at, Rows: len(item.Rows), Reason: item.DeadLetter}, nil
}
