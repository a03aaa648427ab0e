package tidb

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"helfy/domain"
)

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

// lockedAt tells of the users u whether tries of them are refused; its
// parameter is the time.
const lockedAt = `
	EXISTS (SELECT 1 FROM login_attempts a
	        WHERE (a.subject = CONCAT('user:', u.id) OR a.subject LIKE CONCAT('user:', u.id, '@%'))
	          AND a.locked_until > ?)`

func isLocked(ctx context.Context, tx *sql.Tx, id domain.UserID) (locked bool, err error) {
	err = tx.QueryRowContext(ctx, "SELECT"+lockedAt+" FROM (SELECT ? AS id) u", time.Now(), id).Scan(&locked)
	if err != nil {
		return false, fmt.Errorf("look for a lock: %w", err)
	}
	return locked, nil
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
