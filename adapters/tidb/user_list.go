package tidb

import (
	"context"
	"database/sql"
	"fmt"

	"helfy/app/query"
)

// UserList lists users. It is safe for concurrent use.
type UserList struct{ db *sql.DB }

// NewUserList returns the users in db.
func NewUserList(db *sql.DB) UserList { return UserList{db: db} }

// Users returns all users by id.
func (u UserList) Users(ctx context.Context) ([]query.User, error) {
	rows, err := u.db.QueryContext(ctx,
		"SELECT id, username, role, status, created_at, last_login_at FROM users ORDER BY id")
	if err != nil {
		return nil, fmt.Errorf("list users: %w", err)
	}
	defer rows.Close()
	users := []query.User{}
	for rows.Next() {
		var user query.User
		var lastLogin sql.NullTime
		if err := rows.Scan(&user.ID, &user.Username, &user.Role, &user.Status, &user.CreatedAt, &lastLogin); err != nil {
			return nil, fmt.Errorf("read user: %w", err)
		}
		if lastLogin.Valid {
			user.LastLoginAt = &lastLogin.Time
		}
		users = append(users, user)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("list users: %w", err)
	}
	return users, nil
}
