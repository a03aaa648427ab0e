package command

import (
	"context"
	"fmt"
	"time"

	"helfy/domain"
)

// CreateUser asks for a new user.
type CreateUser struct {
	Username string
	Password domain.Secret
	Role     domain.Role
	// AllowWeakPassword lifts the password policy, for development only.
	AllowWeakPassword bool
	Origin            domain.Origin
}

// CreateUserHandler makes users. It is safe for concurrent use.
type CreateUserHandler struct {
	Users   Users
	Hasher  Hasher
	Keyring *domain.Keyring
	Now     func() time.Time
}

// Handle stores the user, its credential and its event in one transaction.
// Its errors are domain.ErrInvalidUsername, domain.ErrWeakPassword,
// ErrUsernameTaken, ErrBusy and those of the database.
func (h CreateUserHandler) Handle(ctx context.Context, create CreateUser) (domain.UserID, error) {
	name, err := domain.NewUsername(create.Username)
	if err != nil {
		return 0, err
	}
	if !create.AllowWeakPassword {
		if err := domain.CheckNewPassword(create.Password, name); err != nil {
			return 0, err
		}
	}
	hash, err := h.Hasher.Hash(ctx, domain.NormalizePassword(create.Password))
	if err != nil {
		return 0, fmt.Errorf("hash password: %w", err)
	}
	occurrence, err := newOccurrence(h.Now(), create.Origin, create.Origin.Actor)
	if err != nil {
		return 0, err
	}
	return h.Users.Add(ctx, name, func(id domain.UserID) *domain.User {
		return domain.RegisterUser(id, name, create.Role, hash, h.Keyring, occurrence)
	})
}
