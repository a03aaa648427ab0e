package command

import (
	"context"
	"time"

	"helfy/app/query"
	"helfy/domain"
)

// ChangeUser asks for one change of a user: the member that is not empty.
type ChangeUser struct {
	UserID   domain.UserID
	Role     domain.Role
	Status   domain.Status
	Username string
	// Unlock forgets failed logins and locks.
	Unlock bool
	// Origin says who asks, in Actor.
	Origin  domain.Origin
	Request domain.Request
}

// ChangeUserHandler changes users. It is safe for concurrent use.
type ChangeUserHandler struct {
	Accounts Accounts
	Now      func() time.Time
}

// Handle makes the change and returns the user as it is then; what is so
// already is no event. Its errors are domain.ErrInvalidUsername,
// domain.ErrLastAdmin, ErrUserNotFound, ErrUsernameTaken, ErrKeyReused and
// those of the database.
func (h ChangeUserHandler) Handle(ctx context.Context, change ChangeUser) (query.User, error) {
	occurrence, err := newOccurrence(h.Now(), change.Origin, change.Origin.Actor)
	if err != nil {
		return query.User{}, err
	}
	stored := AccountChange{UserID: change.UserID, Request: change.Request}
	switch {
	case change.Role != "":
		stored.TakesAdmin = change.Role != domain.RoleAdmin
		stored.Apply = func(user *domain.User, around Surroundings) error {
			return user.ChangeRole(change.Role, around.OtherAdmin || !stored.TakesAdmin, occurrence)
		}
	case change.Status == domain.StatusDisabled:
		stored.TakesAdmin = true
		stored.Apply = func(user *domain.User, around Surroundings) error {
			return user.Disable(around.Sessions, around.OtherAdmin, occurrence)
		}
	case change.Status != "":
		stored.Apply = func(user *domain.User, _ Surroundings) error {
			user.Enable(occurrence)
			return nil
		}
	case change.Unlock:
		stored.Unlocks = true
		stored.Apply = func(user *domain.User, around Surroundings) error {
			if around.Unlocked {
				user.Unlock(occurrence)
			}
			return nil
		}
	default:
		name, err := domain.NewUsername(change.Username)
		if err != nil {
			return query.User{}, err
		}
		stored.Apply = func(user *domain.User, _ Surroundings) error {
			user.Rename(name, occurrence)
			return nil
		}
	}
	return h.Accounts.Change(ctx, stored)
}
