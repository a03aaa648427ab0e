package tidb

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"helfy/app/command"
	"helfy/domain"
)

// save writes a user and all that it brings along.
func save(ctx context.Context, tx *sql.Tx, user *domain.User) error {
	state, pending := user.State(), user.Pending()
	if pending.Deleted {
		if err := deleteUser(ctx, tx, state.ID); err != nil {
			return err
		}
		return publish(ctx, tx, pending.Events)
	}
	if err := updateUser(ctx, tx, state); err != nil {
		return err
	}
	if pending.Credential != nil {
		if err := saveCredential(ctx, tx, *pending.Credential); err != nil {
			return err
		}
	}
	if pending.Session != nil {
		if err := insertSession(ctx, tx, *pending.Session); err != nil {
			return err
		}
	}
	for _, session := range pending.Revoked {
		if err := revokeSession(ctx, tx, session); err != nil {
			return err
		}
	}
	for _, session := range pending.Forged {
		if err := deleteSession(ctx, tx, session.ID); err != nil {
			return err
		}
	}
	if pending.Network != "" {
		if err := saveNetwork(ctx, tx, state.ID, pending.Network, state.LastLoginAt); err != nil {
			return err
		}
	}
	return publish(ctx, tx, pending.Events)
}

func updateUser(ctx context.Context, tx *sql.Tx, state domain.UserState) error {
	result, err := tx.ExecContext(ctx, `
		UPDATE users SET username = ?, role = ?, status = ?, token_hash = ?, token_expires_at = ?,
		       last_login_at = ?, event_seq = ?, event_hash = ?, password_seq = ?, created_at = ?, updated_at = ?
		WHERE id = ?`,
		state.Username.String(), state.Role, state.Status,
		sql.NullString{String: state.TokenHash, Valid: state.TokenHash != ""},
		nullTime(state.TokenExpiresAt), nullTime(state.LastLoginAt),
		state.Head.Seq, state.Head.Hash, state.PasswordSeq, state.CreatedAt, state.UpdatedAt, state.ID)
	if errorCode(err) == codeDuplicateKey {
		return command.ErrUsernameTaken
	}
	if err != nil {
		return fmt.Errorf("write users row: %w", err)
	}
	matched, err := result.RowsAffected()
	if err != nil {
		return fmt.Errorf("write users row: %w", err)
	}
	if matched != 1 {
		return fmt.Errorf("write users row %d: %d rows match", state.ID, matched)
	}
	return nil
}

func saveCredential(ctx context.Context, tx *sql.Tx, c domain.Credential) error {
	_, err := tx.ExecContext(ctx,
		"REPLACE INTO credentials (user_id, password_hash, event_seq, must_change, key_id, mac) VALUES (?, ?, ?, ?, ?, ?)",
		c.UserID, c.PasswordHash, c.Seq, c.MustChange, c.KeyID, c.MAC)
	if err != nil {
		return fmt.Errorf("write credential: %w", err)
	}
	return nil
}

func insertSession(ctx context.Context, tx *sql.Tx, s domain.Session) error {
	_, err := tx.ExecContext(ctx, `
		INSERT INTO sessions (id, user_id, token_hash, issued_at, expires_at, last_seen_at, must_change_password, key_id, mac)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		s.ID, s.UserID, s.TokenHash, s.IssuedAt, s.ExpiresAt, s.LastSeenAt, s.MustChangePassword, s.KeyID, s.MAC)
	if err != nil {
		return fmt.Errorf("write session: %w", err)
	}
	return nil
}

func revokeSession(ctx context.Context, tx *sql.Tx, s domain.Session) error {
	_, err := tx.ExecContext(ctx, "UPDATE sessions SET revoked_at = ?, key_id = ?, mac = ? WHERE id = ?",
		s.RevokedAt, s.KeyID, s.MAC, s.ID)
	if err != nil {
		return fmt.Errorf("revoke session %s: %w", s.ID, err)
	}
	return nil
}

func deleteSession(ctx context.Context, tx *sql.Tx, id string) error {
	if _, err := tx.ExecContext(ctx, "DELETE FROM sessions WHERE id = ?", id); err != nil {
		return fmt.Errorf("remove session %s: %w", id, err)
	}
	return nil
}

func nullTime(t time.Time) sql.NullTime { return sql.NullTime{Time: t, Valid: !t.IsZero()} }
