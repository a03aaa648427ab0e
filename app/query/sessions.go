// Package query holds the use cases that only read, one a file.
package query

import (
	"context"
	"errors"
	"fmt"
	"time"

	"helfy/domain"
)

// The errors of Authenticate.
var (
	// ErrNoSession says that a token belongs to no usable session: it is
	// unknown, expired or revoked.
	ErrNoSession = errors.New("no such session")
	// ErrForged says that a session's row was not written by the service.
	ErrForged = errors.New("session is not genuine")
)

// SignedIn is the user of a session.
type SignedIn struct {
	SessionID string
	UserID    domain.UserID
	Username  string
	Role      domain.Role
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

// seenEvery is how exactly the last use of a session is known: writing it at
// each request would cost a transaction each.
const seenEvery = time.Minute

// Authenticate finds out who holds a token. It is safe for concurrent use.
type Authenticate struct {
	Sessions Sessions
	Keyring  *domain.Keyring
	Now      func() time.Time
}

// Handle returns the user of a genuine, usable session of an active user. Its
// errors are ErrNoSession, ErrForged and those of the database.
func (a Authenticate) Handle(ctx context.Context, token domain.Secret) (SignedIn, error) {
	stored, err := a.Sessions.ByTokenHash(ctx, domain.HashToken(token))
	if err != nil {
		return SignedIn{}, err
	}
	session := stored.Session
	if !session.Genuine(a.Keyring) {
		return SignedIn{}, fmt.Errorf("session %s of user %d: %w", session.ID, session.UserID, ErrForged)
	}
	if !session.Usable(a.Now()) || stored.Status != domain.StatusActive {
		return SignedIn{}, ErrNoSession
	}
	if now := a.Now(); now.Sub(session.LastSeenAt) >= seenEvery {
		if err := a.Sessions.Seen(ctx, session.ID, now); err != nil {
			return SignedIn{}, err
		}
	}
	return SignedIn{SessionID: session.ID, UserID: session.UserID, Username: stored.Username, Role: stored.Role}, nil
}
