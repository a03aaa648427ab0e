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

// UserList implements query.Users. It is safe for concurrent use.
type UserList struct{ db *sql.DB }

var _ query.Users = UserList{}

// NewUserList returns the users in db.
func NewUserList(db *sql.DB) UserList { return UserList{db: db} }

// shownUser reads what is shown of a user; its parameter is that of lockedAt.
const shownUser = `
	SELECT u.id, u.username, u.role, u.status, u.created_at, u.last_login_at, COALESCE(c.must_change, FALSE),` + lockedAt + `
	FROM users u LEFT JOIN credentials c ON c.user_id = u.id `

func scanUser(row interface{ Scan(...any) error }) (user query.User, err error) {
	var lastLogin sql.NullTime
	err = row.Scan(&user.ID, &user.Username, &user.Role, &user.Status, &user.CreatedAt, &lastLogin, &user.MustChangePassword, &user.Locked)
	if lastLogin.Valid {
		user.LastLoginAt = &lastLogin.Time
	}
	return user, err
}

// One implements query.Users.
func (u UserList) One(ctx context.Context, id domain.UserID, now time.Time) (query.User, error) {
	user, err := scanUser(u.db.QueryRowContext(ctx, shownUser+"WHERE u.id = ?", now, id))
	if errors.Is(err, sql.ErrNoRows) {
		return query.User{}, query.ErrNoUser
	}
	if err != nil {
		return query.User{}, fmt.Errorf("read user %d: %w", id, err)
	}
	return user, nil
}

// List implements query.Users.
func (u UserList) List(ctx context.Context, name string, after domain.UserID, limit int, now time.Time) ([]query.User, error) {
	where, args := "WHERE u.id > ?", []any{now, after}
	if name != "" {
		where, args = where+" AND u.username = ?", append(args, name)
	}
	rows, err := u.db.QueryContext(ctx, shownUser+where+" ORDER BY u.id LIMIT ?", append(args, limit)...)
	if err != nil {
		return nil, fmt.Errorf("list users: %w", err)
	}
	defer rows.Close()
	users := []query.User{}
	for rows.Next() {
		user, err := scanUser(rows)
		if err != nil {
			return nil, fmt.Errorf("read user: %w", err)
		}
		users = append(users, user)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("list users: %w", err)
	}
	return users, nil
}
