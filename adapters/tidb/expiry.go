package tidb

import (
	"context"
	"fmt"
	"time"

	"helfy/app/command"
	"helfy/domain"
)

var _ command.SweptSessions = (*Users)(nil)

// Expired implements command.SweptSessions.
func (u *Users) Expired(
	ctx context.Context, reason domain.ExpiryReason, until time.Time, after domain.Session, limit int,
) ([]domain.Session, error) {
	column, last := "s.expires_at", after.ExpiresAt
	if reason == domain.ExpiredIdle {
		column, last = "s.last_seen_at", after.LastSeenAt
	}
	query := "SELECT " + sessionColumns + " FROM sessions s WHERE s.revoked_at IS NULL AND " + column + " <= ?"
	args := []any{until}
	if after.ID != "" {
		query += " AND (" + column + " > ? OR (" + column + " = ? AND s.id > ?))"
		args = append(args, last, last, after.ID)
	}
	rows, err := u.db.QueryContext(ctx, query+" ORDER BY "+column+", s.id LIMIT ?", append(args, limit)...)
	return collectSessions(rows, err)
}

// RemoveOrphans implements command.SweptSessions.
func (u *Users) RemoveOrphans(ctx context.Context, user domain.UserID) error {
	_, err := u.db.ExecContext(ctx, "DELETE FROM sessions WHERE user_id = ? AND NOT EXISTS (SELECT 1 FROM users WHERE id = ?)", user, user)
	if err != nil {
		return fmt.Errorf("remove sessions of user %d, who does not exist: %w", user, err)
	}
	return nil
}

// RemoveRevoked implements command.SweptSessions.
func (u *Users) RemoveRevoked(ctx context.Context, before time.Time, limit int) (int, error) {
	result, err := u.db.ExecContext(ctx, "DELETE FROM sessions WHERE revoked_at < ? LIMIT ?", before, limit)
	if err != nil {
		return 0, fmt.Errorf("remove sessions that ended long ago: %w", err)
	}
	removed, err := result.RowsAffected()
	if err != nil {
		return 0, fmt.Errorf("count removed sessions: %w", err)
	}
	return int(removed), nil
}
