package tidb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"helfy/app/query"
	"helfy/domain"
)

// Sessions implements query.Sessions. It is safe for concurrent use.
type Sessions struct{ db *sql.DB }

var _ query.Sessions = Sessions{}

// NewSessions returns the sessions in db.
func NewSessions(db *sql.DB) Sessions { return Sessions{db: db} }

const sessionColumns = "s.id, s.user_id, s.token_hash, s.issued_at, s.expires_at, s.last_seen_at, s.revoked_at, " +
	"s.must_change_password, s.key_id, s.mac"

// scanSession reads sessionColumns and whatever follows them.
func scanSession(row interface{ Scan(...any) error }, more ...any) (domain.Session, error) {
	var s domain.Session
	var revoked sql.NullTime
	err := row.Scan(append([]any{
		&s.ID, &s.UserID, &s.TokenHash, &s.IssuedAt, &s.ExpiresAt, &s.LastSeenAt, &revoked,
		&s.MustChangePassword, &s.KeyID, &s.MAC,
	}, more...)...)
	s.RevokedAt = revoked.Time
	return s, err
}

// ByTokenHash implements query.Sessions.
func (s Sessions) ByTokenHash(ctx context.Context, tokenHash string) (query.StoredSession, error) {
	var stored query.StoredSession
	row := s.db.QueryRowContext(ctx, `
		SELECT `+sessionColumns+`, u.username, u.role, u.status
		FROM sessions s JOIN users u ON u.id = s.user_id
		WHERE s.token_hash = ?`, tokenHash)
	session, err := scanSession(row, &stored.Username, &stored.Role, &stored.Status)
	if errors.Is(err, sql.ErrNoRows) {
		return query.StoredSession{}, query.ErrNoSession
	}
	if err != nil {
		return query.StoredSession{}, fmt.Errorf("find session: %w", err)
	}
	stored.Session = session
	return stored, nil
}

// Seen implements query.Sessions.
func (s Sessions) Seen(ctx context.Context, id string, at time.Time) error {
	_, err := s.db.ExecContext(ctx, "UPDATE sessions SET last_seen_at = ? WHERE id = ?", at, id)
	if err != nil {
		return fmt.Errorf("note use of session %s: %w", id, err)
	}
	return nil
}

const liveSessions = `
	SELECT ` + sessionColumns + ` FROM sessions s
	WHERE s.user_id = ? AND s.revoked_at IS NULL AND s.expires_at > ? ORDER BY s.issued_at DESC, s.id`

// Live implements query.Sessions.
func (s Sessions) Live(ctx context.Context, user domain.UserID, now time.Time) ([]domain.Session, error) {
	rows, err := s.db.QueryContext(ctx, liveSessions, user, now)
	return collectSessions(rows, err)
}

func collectSessions(rows *sql.Rows, err error) ([]domain.Session, error) {
	if err != nil {
		return nil, fmt.Errorf("read sessions: %w", err)
	}
	defer rows.Close()
	var sessions []domain.Session
	for rows.Next() {
		session, err := scanSession(rows)
		if err != nil {
			return nil, fmt.Errorf("read session: %w", err)
		}
		sessions = append(sessions, session)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read sessions: %w", err)
	}
	return sessions, nil
}
