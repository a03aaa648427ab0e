package command

import (
	"context"
	"time"

	"helfy/domain"
)

// DeleteUser asks for the end of a user.
type DeleteUser struct {
	UserID domain.UserID
	// Origin says who asks, in Actor.
	Origin  domain.Origin
	Request domain.Request
}

// DeleteUserHandler deletes users. It is safe for concurrent use.
type DeleteUserHandler struct {
	Accounts Accounts
	Now      func() time.Time
}

// Handle removes the user and all that belongs to it; its events stay. Its
// errors are domain.ErrLastAdmin, ErrUserNotFound, ErrKeyReused and those of
// the database.
func (h DeleteUserHandler) Handle(ctx context.Context, remove DeleteUser) error {
	occurrence, err := newOccurrence(h.Now(), remove.Origin, remove.Origin.Actor)
	if err != nil {
		return err
	}
	_, err = h.Accounts.Change(ctx, AccountChange{
		UserID: remove.UserID, Request: remove.Request, TakesAdmin: true,
		Apply: func(user *domain.User, around Surroundings) error {
			return user.Delete(around.OtherAdmin, occurrence)
		},
	})
	return err
}
