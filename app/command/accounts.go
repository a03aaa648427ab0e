package command

import (
	"context"
	"errors"

	"helfy/app/query"
	"helfy/domain"
)

// ErrKeyReused says that another request has come with the same
// Idempotency-Key.
var ErrKeyReused = errors.New("the Idempotency-Key was used for another request")

// AccountChange asks for one change of a user.
type AccountChange struct {
	UserID domain.UserID
	// Request is who asks for what; one that is recognised is not done again.
	Request domain.Request
	// TakesAdmin says that the change may take an administrator away. Such
	// changes are made one after the other.
	TakesAdmin bool
	// Unlocks asks that the failed logins and locks of the user be forgotten.
	Unlocks bool
	// Apply makes the change and its event, or none. It may be called several
	// times and must give the same events, by id, each time.
	Apply func(*domain.User, Surroundings) error
}

// Surroundings are what a change of a user depends on besides the user,
// locked with it.
type Surroundings struct {
	// Sessions are those that are genuine and neither revoked nor expired.
	Sessions []domain.Session
	// Credential is the zero one if the user has none.
	Credential domain.Credential
	// OtherAdmin says whether there is an active administrator besides the
	// user. It is set for a change that TakesAdmin only.
	OtherAdmin bool
	// Unlocked says whether there was anything to forget. It is set for a
	// change that Unlocks only.
	Unlocked bool
}

// Accounts stores users and changes of them, each in one transaction with all
// that it brings along. The answer to a request with a key is stored in that
// transaction too, and for a day after it the same request is given the same
// answer and changes nothing.
type Accounts interface {
	// Create stores the user that register makes for the id that it is given.
	// It returns ErrUsernameTaken if somebody has the name, and ErrKeyReused.
	Create(ctx context.Context, name domain.Username, request domain.Request, register func(domain.UserID) *domain.User) (query.User, error)
	// Change makes a change and returns the user as it is then, the zero one
	// if it was deleted. It returns ErrUserNotFound, ErrUsernameTaken,
	// ErrKeyReused, and the errors of Apply, after which nothing is stored.
	Change(ctx context.Context, change AccountChange) (query.User, error)
	// Answered returns the answer that a request was given, if it is
	// recognised. It returns ErrKeyReused.
	Answered(ctx context.Context, request domain.Request) (answer query.User, found bool, err error)
	// Holder returns the name and the credential of a user, or
	// ErrUserNotFound. A user without a credential has the zero one.
	Holder(ctx context.Context, id domain.UserID) (domain.Username, domain.Credential, error)
}
