package command

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"helfy/domain"
)

var (
	// ErrWrongPassword says that the old password is not the user's.
	ErrWrongPassword = errors.New("the old password is wrong")

	errSamePassword = fmt.Errorf("%w: it is the old one", domain.ErrWeakPassword)
)

// ChangePassword asks for another password of the user who asks.
type ChangePassword struct {
	UserID      domain.UserID
	OldPassword domain.Secret
	NewPassword domain.Secret
	// Origin has the session that asks.
	Origin  domain.Origin
	Request domain.Request
}

// ChangePasswordHandler lets users change their passwords. It is safe for
// concurrent use.
type ChangePasswordHandler struct {
	Accounts Accounts
	Tries    Tries
	Hasher   Hasher
	Keyring  *domain.Keyring
	Log      *slog.Logger
	Now      func() time.Time
	// Policy bounds the wrong old passwords, apart from the failed logins: a
	// stranger who fails to sign in cannot keep a user from the change.
	Policy domain.LockPolicy
}

// Tries counts tries of passwords.
type Tries interface {
	// Attempts locks the tries of a subject, lets change work on them and
	// stores them. It may call change several times.
	Attempts(ctx context.Context, subject string, change func(*domain.Attempts)) error
}

// Done reports whether a request has changed a password: the session that sent
// it has ended by that. Its errors are ErrKeyReused and those of the database.
func (h ChangePasswordHandler) Done(ctx context.Context, request domain.Request) (bool, error) {
	_, done, err := h.Accounts.Answered(ctx, request)
	return done, err
}

// Handle stores the password and ends all sessions of the user, the asking one
// included. Its errors are domain.ErrWeakPassword, ErrWrongPassword,
// *RateLimitedError after too many wrong ones, ErrSessionNotFound if the asking session has ended
// meanwhile, ErrKeyReused, ErrBusy and those of the database.
func (h ChangePasswordHandler) Handle(ctx context.Context, change ChangePassword) error {
	if _, found, err := h.Accounts.Answered(ctx, change.Request); err != nil || found {
		return err
	}
	name, credential, err := h.Accounts.Holder(ctx, change.UserID)
	if errors.Is(err, ErrUserNotFound) {
		return ErrSessionNotFound
	}
	if err != nil {
		return err
	}
	if err := domain.CheckNewPassword(change.NewPassword, name); err != nil {
		return err
	}
	if err := h.checkOld(ctx, change, credential); err != nil {
		return err
	}
	password := domain.NormalizePassword(change.NewPassword)
	if password.Reveal() == domain.NormalizePassword(change.OldPassword).Reveal() {
		return errSamePassword
	}
	hash, err := h.Hasher.Hash(ctx, password)
	if err != nil {
		return fmt.Errorf("hash password: %w", err)
	}
	occurrence, err := newOccurrence(h.Now(), change.Origin, "user:"+change.UserID.String())
	if err != nil {
		return err
	}
	_, err = h.Accounts.Change(ctx, AccountChange{
		UserID: change.UserID, Request: change.Request,
		Apply: func(user *domain.User, around Surroundings) error {
			asks := func(s domain.Session) bool { return s.ID == change.Origin.SessionID }
			switch {
			case !slices.ContainsFunc(around.Sessions, asks):
				return ErrSessionNotFound
			case around.Credential.MAC != credential.MAC:
				return ErrCredentialChanged
			}
			user.ChangePassword(hash, around.Sessions, occurrence)
			return nil
		},
	})
	if errors.Is(err, ErrCredentialChanged) {
		return fmt.Errorf("%w: %w", ErrBusy, err) // the next try meets the new one
	}
	return err
}
