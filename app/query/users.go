package query

import (
	"context"
	"errors"
	"time"

	"helfy/domain"
)

// ErrNoUser says that there is no such user.
var ErrNoUser = errors.New("no such user")

// User is a user as it is shown.
type User struct {
	ID       domain.UserID `json:"id" doc:"From 1"`
	Username string        `json:"username"`
	Role     domain.Role   `json:"role" enum:"user,admin"`
	Status   domain.Status `json:"status" enum:"active,disabled"`
	// Locked says that failed logins keep somebody out for some time, from
	// everywhere or from one network.
	Locked             bool       `json:"locked" doc:"Too many failed logins, for some time"`
	MustChangePassword bool       `json:"mustChangePassword" doc:"An administrator has set the password"`
	CreatedAt          time.Time  `json:"createdAt"`
	LastLoginAt        *time.Time `json:"lastLoginAt" doc:"Null before the first login"`
}

// Users finds users.
type Users interface {
	// List returns at most limit users by id, those after the id, and if name
	// is not empty only the one that has it, without regard to case and
	// accents. What is locked is so at now.
	List(ctx context.Context, name string, after domain.UserID, limit int, now time.Time) ([]User, error)
	// One returns a user, or ErrNoUser.
	One(ctx context.Context, id domain.UserID, now time.Time) (User, error)
}

// UserPage is a part of the list of users.
type UserPage struct {
	Users []User
	// Next is the id that the next page begins after, nil at the end.
	Next *domain.UserID
}

// ListUsers lists users. It is safe for concurrent use.
type ListUsers struct {
	Users Users
	Now   func() time.Time
}

// Handle returns at most limit users after an id, nil for the first ones; name
// is as in Users.List.
func (l ListUsers) Handle(ctx context.Context, name string, after *domain.UserID, limit int) (UserPage, error) {
	var id domain.UserID
	if after != nil {
		id = *after
	}
	users, err := l.Users.List(ctx, name, id, limit+1, l.Now())
	if err != nil || len(users) <= limit {
		return UserPage{Users: users}, err
	}
	return UserPage{Users: users[:limit], Next: &users[limit-1].ID}, nil
}

// ShowUser shows one user. It is safe for concurrent use.
type ShowUser struct {
	Users Users
	Now   func() time.Time
}

// Handle returns the user, or ErrNoUser.
func (s ShowUser) Handle(ctx context.Context, id domain.UserID) (User, error) {
	return s.Users.One(ctx, id, s.Now())
}
