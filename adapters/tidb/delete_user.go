package tidb

import (
	"context"
	"database/sql"
	"fmt"

	"helfy/domain"
)

// deleteUser removes a user and what belongs to it; its events stay.
func deleteUser(ctx context.Context, tx *sql.Tx, id domain.UserID) error {
	for _, table := range []string{"sessions", "credentials", "login_networks"} {
		if _, err := tx.ExecContext(ctx, "DELETE FROM "+table+" WHERE user_id = ?", id); err != nil {
			return fmt.Errorf("remove the user's %s: %w", table, err)
		}
	}
	subject := domain.UserSubject(id, "")
	if _, err := tx.ExecContext(ctx, "DELETE FROM login_attempts WHERE subject = ? OR subject LIKE ?", subject, subject+"@%"); err != nil {
		return fmt.Errorf("remove the user's tries: %w", err)
	}
	if _, err := tx.ExecContext(ctx, "DELETE FROM users WHERE id = ?", id); err != nil {
		return fmt.Errorf("remove users row: %w", err)
	}
	return nil
}
