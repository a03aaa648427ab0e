package query

import (
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
