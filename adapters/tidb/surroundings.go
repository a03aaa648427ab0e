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

// guardAdmins makes this transaction the only one that may take an
// administrator away. It comes before any other lock.
func guardAdmins(ctx context.Context, tx *sql.Tx) error {
	// TiDB locks the key also if somebody has removed the row.
	var id int
	err := tx.QueryRowContext(ctx, "SELECT id FROM admin_guard WHERE id = 1 FOR UPDATE").Scan(&id)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("take the guard of administrators: %w", err)
	}
	return nil
}

// surroundings reads and locks what a change of a locked user depends on.
func (u *Users) surroundings(ctx context.Context, tx *sql.Tx, change command.AccountChange) (around command.Surroundings, err error) {
	if around.Sessions, err = u.lockSessions(ctx, tx, change.UserID, time.Now()); err != nil {
		return around, err
	}
	around.Credential, err = scanCredential(tx.QueryRowContext(ctx,
		"SELECT "+credentialColumns+" FROM credentials c WHERE c.user_id = ? FOR UPDATE", change.UserID))
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return around, fmt.Errorf("read credential: %w", err)
	}
	if change.TakesAdmin {
		if around.OtherAdmin, err = lockOtherAdmin(ctx, tx, change.UserID); err != nil {
			return around, err
		}
	}
	if change.Unlocks {
		if around.Unlocked, err = clearAttempts(ctx, tx, change.UserID); err != nil {
			return around, err
		}
	}
	return around, nil
}

// lockOtherAdmin reports whether there is an active administrator besides a
// user, and holds it. It reads what is committed now: whoever takes an
// administrator away has the guard.
func lockOtherAdmin(ctx context.Context, tx *sql.Tx, user domain.UserID) (bool, error) {
	var id domain.UserID
	err := tx.QueryRowContext(ctx, "SELECT id FROM users WHERE role = ? AND status = ? AND id <> ? LIMIT 1 FOR UPDATE",
		domain.RoleAdmin, domain.StatusActive, user).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look for another administrator: %w", err)
	}
	return true, nil
}

// Holder implements command.Accounts.
func (u *Users) Holder(ctx context.Context, id domain.UserID) (name domain.Username, credential domain.Credential, err error) {
	var text string
	err = u.db.QueryRowContext(ctx, "SELECT username FROM users WHERE id = ?", id).Scan(&text)
	if errors.Is(err, sql.ErrNoRows) {
		return name, credential, command.ErrUserNotFound
	}
	if err != nil {
		return name, credential, fmt.Errorf("read user %d: %w", id, err)
	}
	if name, err = domain.NewUsername(text); err != nil {
		return name, credential, fmt.Errorf("user %d has a name that is none: %w", id, err)
	}
	credential, err = scanCredential(u.db.QueryRowContext(ctx, "SELECT "+credentialColumns+" FROM credentials c WHERE c.user_id = ?", id))
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return name, credential, fmt.Errorf("read credential of user %d: %w", id, err)
	}
	return name, credential, nil
}
