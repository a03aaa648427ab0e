package command

import (
	"context"
	"errors"
	"time"

	"helfy/domain"
)

// ErrSessionNotFound says that the user has no such live session.
var ErrSessionNotFound = errors.New("no such session")

// EndSessions asks for the end of sessions of one user.
type EndSessions struct {
	UserID domain.UserID
	// SessionID is the session to end, empty for all.
	SessionID string
	// Own is the session that asks.
	Own    string
	Origin domain.Origin
}

// EndSessionsHandler ends sessions. It is safe for concurrent use.
type EndSessionsHandler struct {
	Users Users
	Now   func() time.Time
}

// Handle ends the sessions and records it as one event: a LOGOUT if the
// asking session is among them, a SESSION_REVOKED otherwise. It returns
// ErrSessionNotFound if the user has no live session of that id, and the
// database's errors.
func (h EndSessionsHandler) Handle(ctx context.Context, end EndSessions) error {
	end.Origin.SessionID = end.Own
	occurrence, err := newOccurrence(h.Now(), end.Origin, "user:"+end.UserID.String())
	if err != nil {
		return err
	}
	return h.Users.UpdateSessions(ctx, end.UserID, occurrence.At, func(user *domain.User, live []domain.Session) error {
		kind := domain.SessionRevoked
		var ending []domain.Session
		for _, session := range live {
			if end.SessionID != "" && session.ID != end.SessionID {
				continue
			}
			ending = append(ending, session)
			if session.ID == end.Own {
				kind = domain.Logout
			}
		}
		if len(ending) == 0 {
			return ErrSessionNotFound
		}
		user.EndSessions(kind, ending, occurrence)
		return nil
	})
}
