package tidb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"helfy/app/command"
	"helfy/domain"
)

var _ command.Logins = (*Users)(nil)

// Account implements command.Logins.
func (u *Users) Account(ctx context.Context, name domain.Username, network string) (command.Account, error) {
	var account command.Account
	var seen sql.NullTime
	var err error
	account.Credential, err = scanCredential(u.db.QueryRowContext(ctx, `
		SELECT `+credentialColumns+`, users.id, users.username, users.status, n.last_success_at
		FROM users JOIN credentials c ON c.user_id = users.id
		LEFT JOIN login_networks n ON n.user_id = users.id AND n.network = ?
		WHERE users.username = ?`, network, name.String()), &account.ID, &account.Username, &account.Status, &seen)
	if errors.Is(err, sql.ErrNoRows) {
		return command.Account{}, command.ErrUserNotFound
	}
	if err != nil {
		return command.Account{}, fmt.Errorf("find account: %w", err)
	}
	account.NetworkSeenAt = seen.Time
	return account, nil
}

// LogIn implements command.Logins.
func (u *Users) LogIn(
	ctx context.Context, account command.Account, subject string, keep int,
	change func(*domain.User, *domain.Attempts, []domain.Session) error,
) error {
	return u.update(ctx, commandLogIn, account.ID, func(ctx context.Context, tx *sql.Tx, user *domain.User) error {
		attempts, err := lockAttempts(ctx, tx, subject)
		if err != nil {
			return err
		}
		if err := checkCredential(ctx, tx, account.Credential); err != nil {
			return err
		}
		surplus, err := u.lockSurplus(ctx, tx, account.ID, keep, time.Now())
		if err != nil {
			return err
		}
		if err := change(user, &attempts, surplus); err != nil {
			return err
		}
		return saveAttempts(ctx, tx, subject, attempts)
	})
}

// checkCredential returns command.ErrCredentialChanged if the stored
// credential is another one. The caller holds the user.
func checkCredential(ctx context.Context, tx *sql.Tx, checked domain.Credential) error {
	var mac string
	err := tx.QueryRowContext(ctx, "SELECT mac FROM credentials WHERE user_id = ? FOR UPDATE", checked.UserID).Scan(&mac)
	if err == nil && mac == checked.MAC {
		return nil
	}
	if err == nil || errors.Is(err, sql.ErrNoRows) {
		return command.ErrCredentialChanged
	}
	return fmt.Errorf("read credential: %w", err)
}

// Refuse implements command.Logins.
func (u *Users) Refuse(
	ctx context.Context, id domain.UserID, refusal command.Refusal,
	change func(*domain.User, *domain.Attempts, *domain.Flood),
) error {
	err := u.append(ctx, commandRefuse, func(ctx context.Context, tx *sql.Tx, a *appending) error {
		user, err := a.lockUser(ctx, tx, id)
		if err != nil {
			return err
		}
		return a.refuse(ctx, tx, userChain(id), refusal, func(attempts *domain.Attempts, flood *domain.Flood) error {
			change(user, attempts, flood)
			if a.events = user.Pending().Events; len(a.events) == 0 {
				return nil
			}
			return save(ctx, tx, user)
		})
	})
	if err != nil {
		return fmt.Errorf("refuse login of user %d: %w", id, err)
	}
	return nil
}

// RefuseUnknown implements command.Logins.
func (u *Users) RefuseUnknown(
	ctx context.Context, chain domain.Chain, refusal command.Refusal,
	change func(domain.Head, *domain.Attempts, *domain.Flood) ([]domain.Event, domain.Head),
) error {
	err := u.append(ctx, commandRefuseUnknown, func(ctx context.Context, tx *sql.Tx, a *appending) error {
		head, err := a.lockChain(ctx, tx, chain)
		if err != nil {
			return err
		}
		return a.refuse(ctx, tx, chain, refusal, func(attempts *domain.Attempts, flood *domain.Flood) error {
			if a.events, head = change(head, attempts, flood); len(a.events) == 0 {
				return nil
			}
			return extend(ctx, tx, chain, a.events[0], head)
		})
	})
	if err != nil {
		return fmt.Errorf("refuse login in chain %s: %w", chain, err)
	}
	return nil
}
