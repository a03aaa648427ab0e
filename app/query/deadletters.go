package query

import (
	"context"
	"fmt"
	"slices"

	"helfy/app/projection"
)

// DeadLetterBytes is how much of each dead letter is shown.
const DeadLetterBytes = 4 << 10

// DeadLetterPosition is a place among the dead letters of all projections,
// behind one of them.
type DeadLetterPosition struct {
	Projection string           `json:"n"`
	Place      projection.Place `json:"p"`
}

// DeadLetters reads the records that projections could not understand.
type DeadLetters interface {
	// List returns at most limit of the chosen dead letters behind a place,
	// in the order of topic, partition and offset; with no place the first
	// ones. Of each value it returns at most so many bytes.
	List(ctx context.Context, filter projection.DeadLetterFilter, behind *projection.Place, limit, bytes int) ([]projection.DeadLetter, error)
}

// ListDeadLetters lists dead letters. It is safe for concurrent use.
type ListDeadLetters struct {
	Letters DeadLetters
	// Projections are the names of those that can have any.
	Projections []string
}

// Handle returns at most limit of the chosen dead letters behind a position,
// in the order of projection, topic, partition and offset, and the position
// behind them if there are more, or projection.ErrNoProjection. Without a
// projection in the filter all are chosen.
func (l ListDeadLetters) Handle(
	ctx context.Context, filter projection.DeadLetterFilter, behind *DeadLetterPosition, limit int,
) (letters []projection.DeadLetter, next *DeadLetterPosition, err error) {
	only, reached := filter.Projection, behind == nil
	if only != "" && !slices.Contains(l.Projections, only) {
		return nil, nil, fmt.Errorf("%w: %q", projection.ErrNoProjection, only)
	}
	for _, name := range l.Projections {
		var place *projection.Place
		if !reached && name == behind.Projection {
			reached, place = true, &behind.Place
		}
		if !reached || only != "" && name != only {
			continue
		}
		filter.Projection = name
		page, err := l.Letters.List(ctx, filter, place, limit+1-len(letters), DeadLetterBytes)
		if err != nil {
			return nil, nil, err
		}
		if letters = append(letters, page...); len(letters) > limit {
			last := letters[limit-1]
			return letters[:limit], &DeadLetterPosition{last.Projection, last.Place}, nil
		}
	}
	return letters, nil, nil
}
