package tidb

import (
	"context"
	"database/sql"
	"slices"
	"strings"
	"time"

	"helfy/domain"
)

// UpdateSessions implements command.Users.
func (u *Users) UpdateSessions(
	ctx context.Context, id domain.UserID, now time.Time, change func(*domain.User, []domain.Session) error,
) error {
	return u.update(ctx, commandEndSessions, id, func(ctx context.Context, tx *sql.Tx, user *domain.User) error {
		sessions, err := u.lockSessions(ctx, tx, id, now)
		if err != nil {
			return err
		}
		return change(user, sessions)
	})
}

// lockSessions reads the sessions of a user that the transaction holds: those
// that are genuine and neither revoked nor expired at now. What is not genuine
// is no session; to revoke it would seal it.
func (u *Users) lockSessions(ctx context.Context, tx *sql.Tx, user domain.UserID, now time.Time) ([]domain.Session, error) {
	rows, err := tx.QueryContext(ctx, liveSessions+" FOR UPDATE", user, now)
	return u.genuine(collectSessions(rows, err))
}

// maxSurplus bounds the sessions that one login ends because they are too many.
const maxSurplus = 500

// lockSurplus is lockSessions for all but the newest keep ones.
func (u *Users) lockSurplus(ctx context.Context, tx *sql.Tx, user domain.UserID, keep int, now time.Time) ([]domain.Session, error) {
	rows, err := tx.QueryContext(ctx, liveSessions+" LIMIT ? OFFSET ? FOR UPDATE", user, now, maxSurplus, keep)
	return u.genuine(collectSessions(rows, err))
}

func (u *Users) genuine(sessions []domain.Session, err error) ([]domain.Session, error) {
	return slices.DeleteFunc(sessions, func(s domain.Session) bool { return !s.Genuine(u.keyring) }), err
}

// UpdateNamed implements command.SweptSessions.
func (u *Users) UpdateNamed(
	ctx context.Context, id domain.UserID, sessions []string, change func(*domain.User, []domain.Session) error,
) error {
	return u.update(ctx, commandEndNamed, id, func(ctx context.Context, tx *sql.Tx, user *domain.User) error {
		args := []any{id}
		for _, session := range sessions {
			args = append(args, session)
		}
		rows, err := tx.QueryContext(ctx, `
			SELECT `+sessionColumns+` FROM sessions s
			WHERE s.user_id = ? AND s.id IN (`+strings.TrimSuffix(strings.Repeat("?,", len(sessions)), ",")+`) FOR UPDATE`, args...)
		found, err := collectSessions(rows, err)
		if err != nil {
			return err
		}
		return change(user, found)
	})
}
