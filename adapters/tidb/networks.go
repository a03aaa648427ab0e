package tidb

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"helfy/domain"
)

// maxNetworks is how many networks of a user are known, the newest.
const maxNetworks = 16

// saveNetwork notes a login from a network. The caller holds the user.
func saveNetwork(ctx context.Context, tx *sql.Tx, user domain.UserID, network string, at time.Time) error {
	_, err := tx.ExecContext(ctx, `
		INSERT INTO login_networks (user_id, network, last_success_at) VALUES (?, ?, ?)
		ON DUPLICATE KEY UPDATE last_success_at = VALUES(last_success_at)`, user, network, at)
	if err != nil {
		return fmt.Errorf("note network: %w", err)
	}
	_, err = tx.ExecContext(ctx, `
		DELETE FROM login_networks WHERE user_id = ? AND network NOT IN (
			SELECT network FROM (
				SELECT network FROM login_networks WHERE user_id = ? ORDER BY last_success_at DESC, network LIMIT ?
			) AS newest
		)`, user, user, maxNetworks)
	if err != nil {
		return fmt.Errorf("forget old networks: %w", err)
	}
	return nil
}
