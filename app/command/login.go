package command

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"

	"helfy/domain"
)

// ErrInvalidCredentials refuses a login. It is the same whether the name is
// unknown, the password wrong or the user disabled.
var ErrInvalidCredentials = errors.New("invalid username or password")

// Login asks for a session.
type Login struct {
	Username string
	Password domain.Secret
	Origin   domain.Origin
}

// LoggedIn is a new session.
type LoggedIn struct {
	Token     domain.Secret
	ExpiresAt time.Time
	UserID    domain.UserID
	Username  string
}

// recordTimeout bounds how long a login's result may take to be stored, the
// settling of a COMMIT whose answer was lost included.
const recordTimeout = 8 * time.Second

// LoginHandler checks passwords and starts sessions. It is safe for
// concurrent use.
type LoginHandler struct {
	Users      Users
	Hasher     Hasher
	Keyring    *domain.Keyring
	Log        *slog.Logger
	Now        func() time.Time
	SessionTTL time.Duration
	// InFlight bounds the logins under way; those beyond are ErrBusy. It is
	// less than the database has connections, so that many tries of one name,
	// which wait for one another, leave some for the rest of the service.
	InFlight chan struct{}
}

// Handle checks a password. A right one starts a session, and the user's row,
// the session and the event are stored in one transaction; a refusal is an
// event too. Once the password is checked, the result is stored even if ctx
// ends: a client that hangs up leaves its trace. Its errors are
// ErrInvalidCredentials, ErrBusy, and those of the database, after which no
// session was started that anybody has the token of.
func (h LoginHandler) Handle(ctx context.Context, login Login) (LoggedIn, error) {
	select {
	case h.InFlight <- struct{}{}:
		defer func() { <-h.InFlight }()
	default:
		return LoggedIn{}, ErrBusy
	}
	account, err := h.account(ctx, login.Username)
	unknown := errors.Is(err, ErrUserNotFound)
	if err != nil && !unknown {
		return LoggedIn{}, err
	}
	// Every refusal costs one hash, so that its time tells nothing.
	hash, reason := account.Credential.PasswordHash, domain.WrongPassword
	switch {
	case unknown:
		hash, reason = h.Hasher.Dummy(), domain.UnknownUser
	case !account.Credential.Genuine(h.Keyring):
		hash, reason = h.Hasher.Dummy(), domain.BadCredential
	}
	right, err := h.Hasher.Verify(ctx, hash, domain.NormalizePassword(login.Password))
	if err != nil {
		return LoggedIn{}, fmt.Errorf("check password: %w", err)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTimeout)
	defer cancel()
	switch {
	case unknown:
		return LoggedIn{}, h.refuseUnknown(ctx, login)
	case !right || reason == domain.BadCredential:
		return LoggedIn{}, h.refuse(ctx, login, account.ID, reason)
	}
	return h.logIn(ctx, login, account.ID)
}

func (h LoginHandler) account(ctx context.Context, username string) (Account, error) {
	name, err := domain.NewUsername(username)
	if err != nil {
		return Account{}, ErrUserNotFound // such a name is nobody's
	}
	return h.Users.Account(ctx, name)
}

func (h LoginHandler) logIn(ctx context.Context, login Login, id domain.UserID) (LoggedIn, error) {
	token, err := uuid.NewRandom()
	if err != nil {
		return LoggedIn{}, fmt.Errorf("make token: %w", err)
	}
	occurrence, err := newOccurrence(h.Now(), login.Origin, "user:"+id.String())
	if err != nil {
		return LoggedIn{}, err
	}
	// A session is named after the event that opens it.
	session := domain.NewSession{ID: occurrence.EventID, Token: domain.NewSecret(token.String()), TTL: h.SessionTTL}
	result := LoggedIn{Token: session.Token, UserID: id}
	err = h.Users.Update(ctx, id, func(user *domain.User) error {
		err := user.LogIn(session, occurrence)
		result.Username, result.ExpiresAt = user.State().Username.String(), user.State().TokenExpiresAt
		return err
	})
	if errors.Is(err, domain.ErrUserDisabled) {
		return LoggedIn{}, h.refuse(ctx, login, id, domain.UserDisabled)
	}
	if err != nil {
		return LoggedIn{}, err
	}
	h.log(ctx, domain.LoginSuccess, id, login.Origin)
	return result, nil
}

// refuse records a failed login of a user and returns a RefusedError, or the
// database's error.
func (h LoginHandler) refuse(ctx context.Context, login Login, id domain.UserID, reason domain.FailureReason) error {
	occurrence, err := newOccurrence(h.Now(), login.Origin, "anonymous")
	if err != nil {
		return err
	}
	err = h.Users.Update(ctx, id, func(user *domain.User) error {
		user.FailLogin(reason, occurrence)
		return nil
	})
	if err != nil {
		return err
	}
	h.log(ctx, domain.LoginFailure, id, login.Origin)
	return RefusedError{Reason: reason}
}

// refuseUnknown is refuse for a name that nobody has.
func (h LoginHandler) refuseUnknown(ctx context.Context, login Login) error {
	occurrence, err := newOccurrence(h.Now(), login.Origin, "anonymous")
	if err != nil {
		return err
	}
	name := domain.MaskName(h.Keyring, login.Username)
	err = h.Users.AddUnknownFailure(ctx, name.Chain, func(head domain.Head) (domain.Event, domain.Head) {
		return domain.FailUnknownLogin(h.Keyring, head, name, occurrence)
	})
	if err != nil {
		return err
	}
	h.log(ctx, domain.LoginFailure, 0, login.Origin)
	return RefusedError{Reason: domain.UnknownUser}
}

func (h LoginHandler) log(ctx context.Context, action domain.EventType, id domain.UserID, origin domain.Origin) {
	h.Log.InfoContext(ctx, "login", "userId", int64(id), "action", string(action), "ipAddress", origin.IP)
}
