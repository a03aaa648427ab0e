// Package query holds the use cases that only read, one a file.
package query

import (
	"context"
	"errors"
	"fmt"
	"time"

	"helfy/domain"
)

// ErrNoSession says that a token belongs to no usable session: it is unknown,
// expired or revoked.
var ErrNoSession = errors.New("no such session")

// ForgedError says that a session's row was not written by the service.
type ForgedError struct {
	SessionID string
	UserID    domain.UserID
}

// Error implements error.
func (e *ForgedError) Error() string {
	return fmt.Sprintf("session %s of user %d is not genuine", e.SessionID, e.UserID)
}

// SignedIn is the user of a session.
type SignedIn struct {
	SessionID string
	UserID    domain.UserID
	Username  string
	Role      domain.Role
	// MustChangePassword says that the session is for that and nothing else.
	MustChangePassword bool
}

// StoredSession is a session with what is needed of its user.
type StoredSession struct {
	Session  domain.Session
	Username string
	Role     domain.Role
	Status   domain.Status
}

// Sessions finds sessions.
type Sessions interface {
	// ByTokenHash returns ErrNoSession if there is none.
	ByTokenHash(ctx context.Context, tokenHash string) (StoredSession, error)
	// Live returns the sessions of a user that are neither revoked nor
	// expired at now, the newest first.
	Live(ctx context.Context, user domain.UserID, now time.Time) ([]domain.Session, error)
	// Seen notes that a session was used.
	Seen(ctx context.Context, id string, at time.Time) error
}

// maxSeenEvery is how exactly the last use of a session is known: writing it
// at each request would cost a transaction each.
const maxSeenEvery = time.Minute

// Authenticate finds out who holds a token. It is safe for concurrent use.
type Authenticate struct {
	Sessions Sessions
	Keyring  *domain.Keyring
	Now      func() time.Time
	// Idle is how long a session lasts without use, 0 for no such bound.
	Idle time.Duration
}

// Handle returns the user of a genuine, usable session of an active user. Its
// errors are ErrNoSession, a *ForgedError and those of the database.
func (a Authenticate) Handle(ctx context.Context, token domain.Secret) (SignedIn, error) {
	stored, err := a.Sessions.ByTokenHash(ctx, domain.HashToken(token))
	if err != nil {
		return SignedIn{}, err
	}
	session := stored.Session
	if !session.Genuine(a.Keyring) {
		return SignedIn{}, &ForgedError{SessionID: session.ID, UserID: session.UserID}
	}
	if !session.Usable(a.Now(), a.Idle) || stored.Status != domain.StatusActive {
		return SignedIn{}, ErrNoSession
	}
	if now := a.Now(); now.Sub(session.LastSeenAt) >= a.seenEvery() {
		if err := a.Sessions.Seen(ctx, session.ID, now); err != nil {
			return SignedIn{}, err
		}
	}
	return SignedIn{
		SessionID: session.ID, UserID: session.UserID, Username: stored.Username, Role: stored.Role,
		MustChangePassword: session.MustChangePassword,
	}, nil
}

func (a Authenticate) seenEvery() time.Duration {
	if a.Idle > 0 {
		return min(maxSeenEvery, a.Idle/4)
	}
	return maxSeenEvery
}
