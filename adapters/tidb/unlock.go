package tidb

import (
	"context"
	"database/sql"
	"fmt"

	"helfy/app/command"
	"helfy/domain"
)

var _ command.Unlocker = (*Users)(nil)

// Unlock implements command.Unlocker.
func (u *Users) Unlock(ctx context.Context, id domain.UserID, change func(*domain.User)) error {
	err := appendTx(ctx, u.db, u.keyring, func(ctx context.Context, tx *sql.Tx, a *appending) error {
		user, err := a.lockUser(ctx, tx, id)
		if err != nil {
			return err
		}
		if err := a.settle(ctx, tx); err != nil {
			return err
		}
		cleared, err := clearAttempts(ctx, tx, id)
		if err != nil || !cleared {
			return err
		}
		change(user)
		a.events = user.Pending().Events
		return save(ctx, tx, user)
	})
	if err != nil {
		return fmt.Errorf("unlock user %d: %w", id, err)
	}
	return nil
}

// clearAttempts forgets the failures and locks of all subjects of a user and
// reports whether there were any.
func clearAttempts(ctx context.Context, tx *sql.Tx, id domain.UserID) (cleared bool, err error) {
	subjects, err := lockAllAttempts(ctx, tx, id)
	if err != nil {
		return false, err
	}
	for subject, attempts := range subjects {
		if !attempts.Clear() {
			continue
		}
		cleared = true
		if err := saveAttempts(ctx, tx, subject, attempts); err != nil {
			return false, err
		}
	}
	return cleared, nil
}

func lockAllAttempts(ctx context.Context, tx *sql.Tx, id domain.UserID) (map[string]domain.Attempts, error) {
	subject := domain.UserSubject(id, "")
	rows, err := tx.QueryContext(ctx,
		"SELECT "+attemptColumns+" FROM login_attempts WHERE subject = ? OR subject LIKE ? FOR UPDATE", subject, subject+"@%")
	if err != nil {
		return nil, fmt.Errorf("read tries: %w", err)
	}
	defer rows.Close()
	all := map[string]domain.Attempts{}
	for rows.Next() {
		subject, attempts, err := scanAttempts(rows)
		if err != nil {
			return nil, fmt.Errorf("read tries: %w", err)
		}
		all[subject] = attempts
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read tries: %w", err)
	}
	return all, nil
}
