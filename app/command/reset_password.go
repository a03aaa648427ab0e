package command

import (
	"context"
	"fmt"
	"time"

	"helfy/domain"
)

// ResetPassword asks for another password of a user, who must change it.
type ResetPassword struct {
	UserID      domain.UserID
	NewPassword domain.Secret
	// Origin says who asks, in Actor.
	Origin  domain.Origin
	Request domain.Request
}

// ResetPasswordHandler sets passwords of users. It is safe for concurrent use.
type ResetPasswordHandler struct {
	Accounts Accounts
	Hasher   Hasher
	Keyring  *domain.Keyring
	Now      func() time.Time
}

// Handle stores the password and ends all sessions of the user, whose next one
// is for the change of the password only. Its errors are
// domain.ErrWeakPassword, ErrUserNotFound, ErrKeyReused, ErrBusy and those of
// the database.
func (h ResetPasswordHandler) Handle(ctx context.Context, reset ResetPassword) error {
	if _, found, err := h.Accounts.Answered(ctx, reset.Request); err != nil || found {
		return err
	}
	name, credential, err := h.Accounts.Holder(ctx, reset.UserID)
	if err != nil {
		return err
	}
	if err := domain.CheckNewPassword(reset.NewPassword, name); err != nil {
		return err
	}
	password := domain.NormalizePassword(reset.NewPassword)
	// A credential that is not genuine is what a reset mends.
	if credential.Genuine(h.Keyring) {
		same, err := h.Hasher.Verify(ctx, credential.PasswordHash, password)
		if err != nil {
			return fmt.Errorf("compare with the old password: %w", err)
		}
		if same {
			return errSamePassword
		}
	}
	hash, err := h.Hasher.Hash(ctx, password)
	if err != nil {
		return fmt.Errorf("hash password: %w", err)
	}
	occurrence, err := newOccurrence(h.Now(), reset.Origin, reset.Origin.Actor)
	if err != nil {
		return err
	}
	_, err = h.Accounts.Change(ctx, AccountChange{
		UserID: reset.UserID, Request: reset.Request,
		Apply: func(user *domain.User, around Surroundings) error {
			user.ResetPassword(hash, around.Sessions, occurrence)
			return nil
		},
	})
	return err
}
