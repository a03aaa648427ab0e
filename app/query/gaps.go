package query

import (
	"context"
	"time"
)

// Gap is a time whose commits no changefeed has sent.
type Gap struct {
	// From is the last moment that is known to be covered, nil if nothing
	// before To is.
	From *time.Time `json:"from"`
	To   time.Time  `json:"to"`
}

// Gaps finds the gaps between changefeeds.
type Gaps interface {
	// Gaps returns the known gaps, the oldest first.
	Gaps(ctx context.Context) ([]Gap, error)
}
