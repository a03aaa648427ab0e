package command

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"helfy/app/projection"
	"helfy/app/query"
	"helfy/domain"
)

// Waive says that projections may do without a record.
type Waive struct {
	Place projection.Place
	// Projections are those that are asked whether it is a dead letter of
	// theirs.
	Projections []string
	// Only, unless it is empty, is the one of them that is asked.
	Only string
	// Reason and By say why, and who answers for it.
	Reason, By string
	Origin     domain.Origin
}

// ErrWaived says that a dead letter is waived already.
var ErrWaived = errors.New("it is waived already")

// ErrBadWaiver says that a waiver's texts are not as they must be.
var ErrBadWaiver = errors.New("not a waiver")

// WaiveHandler waives dead letters. It is safe for concurrent use.
type WaiveHandler struct {
	Letters query.DeadLetters
	Chains  Chains
	Keyring *domain.Keyring
	Now     func() time.Time
}

// Handle records a waiver of what the live generations have as an open dead
// letter, and returns it. It holds as soon as consumers have verified its
// event. The errors are projection.ErrNoDeadLetter, projection.ErrNotWhole,
// ErrWaived, ErrBadWaiver with what is wrong, and those of the database.
func (h WaiveHandler) Handle(ctx context.Context, waive Waive) (domain.Waiver, error) {
	waiver, err := h.waiver(ctx, waive)
	if err != nil {
		return waiver, fmt.Errorf("waive %s: %w", waive.Place, err)
	}
	occurrence, err := newOccurrence(h.Now(), waive.Origin, waive.Origin.Actor)
	if err != nil {
		return waiver, err
	}
	return waiver, h.Chains.Append(ctx, domain.ChainWaivers, func(head domain.Head) (domain.Event, domain.Head) {
		return domain.WaiveDeadLetter(h.Keyring, head, waiver, occurrence)
	})
}

// waiver makes the waiver of one record, which all the projections have read.
func (h WaiveHandler) waiver(ctx context.Context, waive Waive) (domain.Waiver, error) {
	waiver := domain.Waiver{
		Topic: waive.Place.Topic, Partition: waive.Place.Partition, Offset: waive.Place.Offset, Reason: waive.Reason, By: waive.By,
	}
	already := projection.ErrNoDeadLetter
	for _, name := range waive.Projections {
		if waive.Only != "" && name != waive.Only {
			continue
		}
		letters, err := h.Letters.List(ctx, projection.DeadLetterFilter{Projection: name, Place: &waive.Place}, nil, 1, math.MaxInt32)
		if err != nil {
			return waiver, err
		}
		for _, letter := range letters {
			if letter.Waived != nil {
				already = fmt.Errorf("%w: by %s, %s: %s", ErrWaived, letter.Waived.By,
					domain.TimeOfTSO(letter.Waived.CommitTs).Format(time.RFC3339), letter.Waived.Reason)
				continue
			}
			if letter.Altered() || waiver.Digest != "" && waiver.Digest != letter.Digest {
				return waiver, fmt.Errorf("%w: what %s keeps of it was changed", projection.ErrNotWhole, name)
			}
			waiver.Projections = append(waiver.Projections, name)
			waiver.TopicID, waiver.Digest = letter.TopicID, letter.Digest
		}
	}
	if len(waiver.Projections) == 0 {
		return waiver, already
	}
	if err := waiver.Check(); err != nil {
		return waiver, fmt.Errorf("%w: %w", ErrBadWaiver, err)
	}
	return waiver, nil
}
