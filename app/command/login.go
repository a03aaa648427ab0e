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
// unknown, the password wrong, or the user disabled or locked.
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
	// MustChangePassword says that the session is for that and nothing else.
	MustChangePassword bool
}

// recordTimeout bounds how long a login's result may take to be stored, the
// settling of a COMMIT whose answer was lost included.
const recordTimeout = 8 * time.Second

// A network is known for so long after a login from it, which is written down
// at most that often.
const (
	networkKnownFor   = 90 * 24 * time.Hour
	networkNotedEvery = 24 * time.Hour
)

// maxSessions is how many live sessions a user has. A login beyond ends the
// oldest: what must end all of them has to fit into one transaction and one
// event, whatever the user has done.
const maxSessions = 100

// LoginHandler checks passwords and starts sessions. It is safe for
// concurrent use.
type LoginHandler struct {
	Logins     Logins
	Hasher     Hasher
	Keyring    *domain.Keyring
	Log        *slog.Logger
	Now        func() time.Time
	SessionTTL time.Duration
	Policy     domain.LockPolicy
	// PerIP and PerName bound the logins before they cost a hash.
	PerIP, PerName RateLimit
	// FloodThreshold is how many refusals of one user, or of one chain of
	// unknown names, have an event of their own in a minute; 0 is all.
	FloodThreshold int
	// InFlight bounds the logins under way; those beyond are ErrBusy. It is
	// less than the database has connections, so that many tries of one name,
	// which wait for one another, leave some for the rest of the service.
	InFlight chan struct{}
}

// Handle checks a password. A right one starts a session, and the user's row,
// the session and the event are stored in one transaction; a refusal is an
// event too, or one of many in a flood. Before that, each try reserves its
// place among those that may fail. Once the password is checked, the result is
// stored even if ctx ends: a client that hangs up leaves its trace. Its errors
// are ErrInvalidCredentials, *RateLimitedError, ErrBusy, and those of the
// database, after which no session was started that anybody has the token of.
func (h LoginHandler) Handle(ctx context.Context, login Login) (LoggedIn, error) {
	if err := h.checkHost(login); err != nil {
		return LoggedIn{}, err
	}
	select {
	case h.InFlight <- struct{}{}:
		defer func() { <-h.InFlight }()
	default:
		return LoggedIn{}, ErrBusy
	}
	if err := h.checkName(ctx, login); err != nil {
		return LoggedIn{}, err
	}
	// Nothing is spent on what will be refused.
	hashing, free, err := h.Hasher.Reserve(ctx)
	if err != nil {
		return LoggedIn{}, err
	}
	defer free()
	try, err := h.begin(ctx, login, free)
	if err != nil {
		return LoggedIn{}, err
	}
	right, err := h.check(hashing, &try)
	free()
	if err != nil {
		h.release(ctx, try)
		return LoggedIn{}, err
	}
	return h.finish(ctx, try, right)
}

// finish stores the result of a try that has its place. The place is free
// after that; only a wrong password that could not be stored keeps it until it
// expires, because it was verified.
func (h LoginHandler) finish(ctx context.Context, try try, right bool) (result LoggedIn, err error) {
	storing, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTimeout)
	defer cancel()
	switch {
	case right:
		result, err = h.logIn(storing, try)
	case try.unknown != nil:
		err = h.refuseUnknown(storing, try)
	default:
		err = h.refuse(storing, try)
	}
	stored := err == nil || errors.Is(err, ErrInvalidCredentials)
	if !stored && (right || !try.reason.Counts()) {
		h.release(ctx, try)
	}
	return result, err
}

// check verifies the password and reports whether it earns a session. It may
// give the try a new hash to store.
func (h LoginHandler) check(ctx context.Context, try *try) (right bool, err error) {
	password := domain.NormalizePassword(try.Password)
	right, err = h.Hasher.Verify(ctx, try.hash, password)
	if err != nil {
		return false, fmt.Errorf("check password: %w", err)
	}
	if !right || !try.mayLogIn() {
		return false, nil
	}
	try.newHash, err = h.rehash(ctx, try.hash, password)
	if try.newHash == "" && try.account.Credential.IsStale(h.Keyring) {
		try.newHash = try.hash // to be sealed by the key that seals now
	}
	return err == nil, err
}

// rehash returns a new hash if the old one has other parameters than it
// should, and the hasher is free for it now.
func (h LoginHandler) rehash(ctx context.Context, hash string, password domain.Secret) (string, error) {
	if !h.Hasher.NeedsRehash(hash) {
		return "", nil
	}
	hash, err := h.Hasher.Hash(ctx, password)
	if errors.Is(err, ErrBusy) {
		return "", nil // the next login will do
	}
	if err != nil {
		return "", fmt.Errorf("hash password anew: %w", err)
	}
	return hash, nil
}

func (h LoginHandler) logIn(ctx context.Context, try try) (LoggedIn, error) {
	token, err := uuid.NewRandom()
	if err != nil {
		return LoggedIn{}, fmt.Errorf("make token: %w", err)
	}
	id := try.account.ID
	occurrence, err := newOccurrence(h.Now(), try.Origin, "user:"+id.String())
	if err != nil {
		return LoggedIn{}, err
	}
	ending, err := newOccurrence(occurrence.At, try.Origin, occurrence.Origin.Actor)
	if err != nil {
		return LoggedIn{}, err
	}
	// A session is named after the event that opens it.
	session := domain.NewSession{
		ID: occurrence.EventID, Token: domain.NewSecret(token.String()), TTL: h.SessionTTL, PasswordHash: try.newHash,
		MustChangePassword: try.account.Credential.MustChange,
	}
	if occurrence.At.Sub(try.account.NetworkSeenAt) >= networkNotedEvery {
		session.Network = domain.NetworkOf(try.Origin.IP)
	}
	result, disabled := LoggedIn{Token: session.Token, UserID: id, MustChangePassword: session.MustChangePassword}, false
	ending.Origin.SessionID = session.ID
	begin := func(user *domain.User, attempts *domain.Attempts, surplus []domain.Session) error {
		err := user.LogIn(session, occurrence)
		result.Username, result.ExpiresAt = user.State().Username.String(), user.State().TokenExpiresAt
		if disabled = errors.Is(err, domain.ErrUserDisabled); disabled {
			// Since the account was looked up.
			attempts.Release(try.id)
			user.FailLogin(domain.UserDisabled, anonymous(occurrence))
			return nil
		}
		attempts.Succeed(try.id)
		user.EndSessions(domain.SessionRevoked, surplus, ending)
		return err
	}
	err = h.Logins.LogIn(ctx, try.account, try.subject, maxSessions-1, begin)
	if errors.Is(err, ErrCredentialChanged) {
		return LoggedIn{}, fmt.Errorf("%w: %w", ErrBusy, err)
	}
	if err != nil {
		return LoggedIn{}, err
	}
	if disabled {
		h.log(ctx, domain.LoginFailure, id, try.Origin)
		return LoggedIn{}, RefusedError{Reason: domain.UserDisabled}
	}
	h.log(ctx, domain.LoginSuccess, id, try.Origin)
	return result, nil
}

func (h LoginHandler) log(ctx context.Context, action domain.EventType, id domain.UserID, origin domain.Origin) {
	h.Log.InfoContext(ctx, "login", "userId", int64(id), "action", string(action), "ipAddress", origin.IP)
}
