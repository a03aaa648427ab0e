package command

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"helfy/domain"
)

// checkOld verifies the old password. As at a login, each try reserves its
// place among those that may fail before it costs a hash.
func (h ChangePasswordHandler) checkOld(ctx context.Context, change ChangePassword, credential domain.Credential) error {
	id, err := uuid.NewRandom()
	if err != nil {
		return fmt.Errorf("make the try's id: %w", err)
	}
	try, subject := id.String(), domain.PasswordSubject(change.UserID)
	var grant domain.Grant
	var wait time.Duration
	err = h.Tries.Attempts(ctx, subject, func(a *domain.Attempts) {
		now := h.Now()
		grant, wait = a.Reserve(try, now, h.Policy), a.LockedUntil.Sub(now)
	})
	// Whatever happens, the place is given back, or becomes a failure.
	end := func(a *domain.Attempts) { a.Release(try) }
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTimeout)
		defer cancel()
		if err := h.Tries.Attempts(ctx, subject, end); err != nil {
			h.Log.WarnContext(ctx, "a try of a password is not settled until it expires", "subject", subject, "error", err)
		}
	}()
	switch {
	case err != nil:
		return err
	case grant == domain.Full:
		return ErrBusy
	case grant == domain.Locked:
		return &RateLimitedError{RetryAfter: wait}
	}
	right := false
	if credential.Genuine(h.Keyring) {
		right, err = h.Hasher.Verify(ctx, credential.PasswordHash, domain.NormalizePassword(change.OldPassword))
		if err != nil {
			return fmt.Errorf("check the old password: %w", err)
		}
	}
	if !right {
		end = func(a *domain.Attempts) { a.Fail(try, h.Now(), h.Policy) }
		return ErrWrongPassword
	}
	end = func(a *domain.Attempts) { a.Succeed(try) }
	return nil
}
