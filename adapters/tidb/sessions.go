package tidb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"helfy/app/query"
)

// Sessions implements query.Sessions. It is safe for concurrent use.
type Sessions struct{ db *sql.DB }

var _ query.Sessions = Sessions{}

// NewSessions returns the sessions in db.
func NewSessions(db *sql.DB) Sessions { return Sessions{db: db} }

// ByTokenHash implements query.Sessions.
func (s Sessions) ByTokenHash(ctx context.Context, tokenHash string) (query.StoredSession, error) {
	var (
		stored  query.StoredSession
		session = &stored.Session
		revoked sql.NullTime
	)
	err := s.db.QueryRowContext(ctx, `
		SELECT s.id, s.user_id, s.token_hash, s.issued_at, s.expires_at, s.revoked_at, s.key_id, s.mac,
		       u.username, u.role, u.status
		FROM sessions s JOIN users u ON u.id = s.user_id
		WHERE s.token_hash = ?`, tokenHash,
	).Scan(&session.ID, &session.UserID, &session.TokenHash, &session.IssuedAt, &session.ExpiresAt, &revoked,
		&session.KeyID, &session.MAC, &stored.Username, &stored.Role, &stored.Status)
	if errors.Is(err, sql.ErrNoRows) {
		return query.StoredSession{}, query.ErrNoSession
	}
	if err != nil {
		return query.StoredSession{}, fmt.Errorf("find session: %w", err)
	}
	session.RevokedAt = revoked.Time
	return stored, nil
}
