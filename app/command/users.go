// Package command holds the use cases that change something, one a file.
package command

import (
	"context"
	"errors"
	"time"

	"helfy/domain"
)

// The errors of Users.
var (
	ErrUserNotFound  = errors.New("no such user")
	ErrUsernameTaken = errors.New("username is taken")
)

// Users stores users. Whatever a user brings along as pending (events, a
// session, a credential) is written in the same transaction as the user: all
// of it or nothing. The functions that it takes may be called several times
// and must give the same events, by id, each time: an attempt whose COMMIT
// was not answered is settled by looking for them.
type Users interface {
	// Update locks the user, lets change work on it and stores the result. An
	// error of change stores nothing and is returned. It returns
	// ErrUserNotFound if the user does not exist.
	Update(ctx context.Context, id domain.UserID, change func(*domain.User) error) error
	// UpdateSessions is Update for a change that also needs the user's
	// sessions: those that are genuine and neither revoked nor expired at now.
	UpdateSessions(ctx context.Context, id domain.UserID, now time.Time, change func(*domain.User, []domain.Session) error) error
}
