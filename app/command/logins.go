package command

import (
	"context"
	"errors"
	"time"

	"helfy/domain"
)

// ErrCredentialChanged says that the password was changed while a login was
// under way that had checked the old one.
var ErrCredentialChanged = errors.New("the password was changed meanwhile")

// Refusal says which try is refused, and when.
type Refusal struct {
	// Subject is what the try counts under, Try the id that it has reserved
	// its place by.
	Subject, Try string
	At           time.Time
}

// Logins stores logins. Each method but the first is one transaction; the
// functions that they take may be called several times, and must then do the
// same to what they are given. A COMMIT that was not answered is settled as
// Users does it, or by whether the try's reservation is still there.
type Logins interface {
	// Account finds a user by name, without regard to case and accents, and
	// when it last signed in from a network. It returns ErrUserNotFound if
	// nobody has the name.
	Account(ctx context.Context, name domain.Username, network string) (Account, error)
	// Attempts locks the tries of a subject, lets change work on them and
	// stores them.
	Attempts(ctx context.Context, subject string, change func(*domain.Attempts)) error
	// LogIn locks a user and the tries of a subject and stores what change
	// makes of them. change is also given the live sessions of the user that
	// are too many: all but the newest keep, as many as one transaction may
	// end. It returns ErrUserNotFound if the user is gone and
	// ErrCredentialChanged if its password is no longer the account's.
	LogIn(ctx context.Context, account Account, subject string, keep int,
		change func(*domain.User, *domain.Attempts, []domain.Session) error) error
	// Refuse locks a user, the tries of the refusal's subject and the user's
	// count of refusals in its minute, and stores what change makes of them.
	// It returns ErrUserNotFound if the user is gone.
	Refuse(ctx context.Context, id domain.UserID, refusal Refusal, change func(*domain.User, *domain.Attempts, *domain.Flood)) error
	// RefuseUnknown is Refuse for a name that nobody has: change gets the
	// locked head of its chain and returns the new one and at most one event.
	RefuseUnknown(ctx context.Context, chain domain.Chain, refusal Refusal,
		change func(domain.Head, *domain.Attempts, *domain.Flood) ([]domain.Event, domain.Head)) error
}

// Account is what a login needs to know before it checks a password.
type Account struct {
	ID domain.UserID
	// Username is the name as it is stored.
	Username   string
	Status     domain.Status
	Credential domain.Credential
	// NetworkSeenAt is the last login from the network that was asked for, or
	// up to a day before it; zero if there is none.
	NetworkSeenAt time.Time
}
