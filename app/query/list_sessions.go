package query

import (
	"context"
	"time"

	"helfy/domain"
)

// ListSessions lists the sessions of a user. It is safe for concurrent use.
type ListSessions struct {
	Sessions Sessions
	Now      func() time.Time
}

// Handle returns the live sessions of a user, the newest first.
func (l ListSessions) Handle(ctx context.Context, user domain.UserID) ([]domain.Session, error) {
	return l.Sessions.Live(ctx, user, l.Now())
}
