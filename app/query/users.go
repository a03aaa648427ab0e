package query

import (
	"context"
	"time"

	"helfy/domain"
)

// User is a user as it is listed.
type User struct {
	ID          domain.UserID `json:"id"`
	Username    string        `json:"username"`
	Role        domain.Role   `json:"role"`
	Status      domain.Status `json:"status"`
	CreatedAt   time.Time     `json:"createdAt"`
	LastLoginAt *time.Time    `json:"lastLoginAt"`
}

// UserList lists users.
type UserList interface {
	// Users returns all users by id.
	Users(ctx context.Context) ([]User, error)
}
