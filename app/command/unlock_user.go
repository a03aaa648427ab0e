package command

import (
	"context"
	"time"

	"helfy/domain"
)

// UnlockUser asks that the failed logins and locks of a user be forgotten.
type UnlockUser struct {
	UserID domain.UserID
	// Origin says who asks, in Actor.
	Origin domain.Origin
}

// Unlocker stores unlocked users.
type Unlocker interface {
	// Unlock locks the user, forgets the failures and locks of all its
	// subjects and stores what change makes of the user, in one transaction.
	// If there is nothing to forget, nothing is stored and change not called.
	// It returns ErrUserNotFound if the user does not exist.
	Unlock(ctx context.Context, id domain.UserID, change func(*domain.User)) error
}

// UnlockUserHandler unlocks users. It is safe for concurrent use.
type UnlockUserHandler struct {
	Users Unlocker
	Now   func() time.Time
}

// Handle forgets the user's failures and locks and records it as an event, if
// there are any. Its errors are ErrUserNotFound and the database's.
func (h UnlockUserHandler) Handle(ctx context.Context, unlock UnlockUser) error {
	occurrence, err := newOccurrence(h.Now(), unlock.Origin, unlock.Origin.Actor)
	if err != nil {
		return err
	}
	return h.Users.Unlock(ctx, unlock.UserID, func(user *domain.User) { user.Unlock(occurrence) })
}
