package command

import (
	"context"
	"fmt"
	"time"

	"helfy/app/query"
	"helfy/domain"
)

// CreateUser asks for a new user.
type CreateUser struct {
	Username string
	Password domain.Secret
	Role     domain.Role
	// AllowWeakPassword lifts the password policy, for development only.
	AllowWeakPassword bool
	// Origin says who asks, in Actor.
	Origin  domain.Origin
	Request domain.Request
}

// CreateUserHandler makes users. It is safe for concurrent use.
type CreateUserHandler struct {
	Accounts Accounts
	Hasher   Hasher
	Keyring  *domain.Keyring
	Now      func() time.Time
}

// Handle stores the user, its credential and its event in one transaction.
// Its errors are domain.ErrInvalidUsername, domain.ErrWeakPassword,
// ErrUsernameTaken, ErrKeyReused, ErrBusy and those of the database.
func (h CreateUserHandler) Handle(ctx context.Context, create CreateUser) (query.User, error) {
	name, err := domain.NewUsername(create.Username)
	if err != nil {
		return query.User{}, err
	}
	if !create.AllowWeakPassword {
		if err := domain.CheckNewPassword(create.Password, name); err != nil {
			return query.User{}, err
		}
	}
	if answer, found, err := h.Accounts.Answered(ctx, create.Request); err != nil || found {
		return answer, err
	}
	hash, err := h.Hasher.Hash(ctx, domain.NormalizePassword(create.Password))
	if err != nil {
		return query.User{}, fmt.Errorf("hash password: %w", err)
	}
	occurrence, err := newOccurrence(h.Now(), create.Origin, create.Origin.Actor)
	if err != nil {
		return query.User{}, err
	}
	return h.Accounts.Create(ctx, name, create.Request, func(id domain.UserID) *domain.User {
		return domain.RegisterUser(id, name, create.Role, hash, h.Keyring, occurrence)
	})
}
