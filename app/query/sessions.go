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

// Handle returns the user of a genuine, usable session of an active user, and
// notes that the session is used. Its errors are ErrNoSession, a *ForgedError
// and those of the database.
func (a Authenticate) Handle(ctx context.Context, token domain.Secret) (SignedIn, error) {
	user, seen, err := a.find(ctx, token)
	if err != nil {
		return SignedIn{}, err
	}
	if now := a.Now(); now.Sub(seen) >= a.seenEvery() {
		if err := a.Sessions.Seen(ctx, user.SessionID, now); err != nil {
			return SignedIn{}, err
		}
	}
	return user, nil
}

// Check is Handle for who only looks whether the session is still usable: it is
// not used by that.
func (a Authenticate) Check(ctx context.Context, token domain.Secret) (SignedIn, error) {
	user, _, err := a.find(ctx, token)
	return user, err
}

// Revoked is Check for a session that was ended before it expired, for whoever
// asks again what became of the request that ended it.
func (a Authenticate) Revoked(ctx context.Context, token domain.Secret) (SignedIn, error) {
	stored, err := a.genuine(ctx, token)
	if err != nil {
		return SignedIn{}, err
	}
	if stored.Session.RevokedAt.IsZero() || stored.Status != domain.StatusActive {
		return SignedIn{}, ErrNoSession
	}
	return stored.user(), nil
}

// find returns the user of a usable session, and when it was used last.
func (a Authenticate) find(ctx context.Context, token domain.Secret) (user SignedIn, seen time.Time, err error) {
	stored, err := a.genuine(ctx, token)
	if err != nil {
		return SignedIn{}, time.Time{}, err
	}
	if !stored.Session.Usable(a.Now(), a.Idle) || stored.Status != domain.StatusActive {
		return SignedIn{}, time.Time{}, ErrNoSession
	}
	return stored.user(), stored.Session.LastSeenAt, nil
}

// genuine returns the session of a token, if the service has written it.
func (a Authenticate) genuine(ctx context.Context, token domain.Secret) (StoredSession, error) {
	stored, err := a.Sessions.ByTokenHash(ctx, domain.HashToken(token))
	if err != nil {
		return StoredSession{}, err
	}
	if session := stored.Session; !session.Genuine(a.Keyring) {
		return StoredSession{}, &ForgedError{SessionID: session.ID, UserID: session.UserID}
	}
	return stored, nil
}

func (s StoredSession) user() SignedIn {
	return SignedIn{
		SessionID: s.Session.ID, UserID: s.Session.UserID, Username: s.Username, Role: s.Role,
		MustChangePassword: s.Session.MustChangePassword,
	}
}

func (a Authenticate) seenEvery() time.Duration {
	if a.Idle > 0 {
		return min(maxSeenEvery, a.Idle/4)
	}
	return maxSeenEvery
}
