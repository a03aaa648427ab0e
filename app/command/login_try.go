package command

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"helfy/domain"
)

// How long a try waits for its place, also while the database does not answer,
// and between two looks. It leaves time to ask again after an answer that did
// not come.
const (
	placeTimeout  = 7 * time.Second
	placeFirstGap = 20 * time.Millisecond
	placeLastGap  = 100 * time.Millisecond
)

// releaseTimeout bounds the return of a place; after that it expires.
const releaseTimeout = 2 * time.Second

// try is a login under way.
type try struct {
	Login
	// id names its place.
	id string
	// account is that of the name, or the zero one if unknown is set.
	account Account
	unknown *domain.UnknownName
	// subject is what it counts under, network the known one that it comes
	// from, empty if it is not known.
	subject, network string
	// hash is what the password is checked against: every refusal costs one
	// hash, so that its time tells nothing.
	hash string
	// reason is why it is refused: whatever its password is, unless that is
	// the only reason.
	reason domain.FailureReason
	// newHash is to replace the stored one, unless it is empty.
	newHash string
}

// mayLogIn reports whether a right password would begin a session.
func (t try) mayLogIn() bool { return t.reason == domain.WrongPassword }

// begin looks the account up and takes a place. The same is done for a name
// that nobody has and for a user that cannot sign in. It calls waits before it
// waits for the place.
func (h LoginHandler) begin(ctx context.Context, login Login, waits func()) (try, error) {
	id, err := uuid.NewRandom()
	if err != nil {
		return try{}, fmt.Errorf("make the try's id: %w", err)
	}
	t := try{Login: login, id: id.String(), hash: h.Hasher.Dummy()}
	if err := h.identify(ctx, &t); err != nil {
		return try{}, err
	}
	locked, err := h.takePlace(ctx, t, waits)
	if err != nil {
		return try{}, err
	}
	if locked && t.mayLogIn() {
		t.hash, t.reason = h.Hasher.Dummy(), domain.FailureLocked
	}
	return t, nil
}

// identify fills in what depends on the name.
func (h LoginHandler) identify(ctx context.Context, t *try) error {
	network := domain.NetworkOf(t.Origin.IP)
	account, err := h.account(ctx, t.Username, network)
	if errors.Is(err, ErrUserNotFound) {
		name := domain.MaskName(h.Keyring, t.Username)
		t.unknown, t.subject, t.reason = &name, name.Subject, domain.UnknownUser
		return nil
	}
	if err != nil {
		return err
	}
	if h.knows(account) {
		t.network = network
	}
	t.account, t.subject = account, domain.UserSubject(account.ID, t.network)
	switch {
	case account.Status != domain.StatusActive:
		t.reason = domain.UserDisabled
	case !account.Credential.Genuine(h.Keyring):
		t.reason = domain.BadCredential
	default:
		t.hash, t.reason = account.Credential.PasswordHash, domain.WrongPassword
	}
	return nil
}

// knows reports whether the network that an account was looked up with is one
// that its user has signed in from.
func (h LoginHandler) knows(account Account) bool {
	seen := account.NetworkSeenAt
	return !seen.IsZero() && h.Now().Sub(seen) < networkKnownFor
}

func (h LoginHandler) account(ctx context.Context, username, network string) (Account, error) {
	name, err := domain.NewUsername(username)
	if err != nil {
		return Account{}, ErrUserNotFound // such a name is nobody's
	}
	account, err := h.Logins.Account(ctx, name, network)
	if err == nil && domain.FoldName(account.Username) != domain.FoldName(username) {
		// The database takes more for the same name than counts as one.
		return Account{}, ErrUserNotFound
	}
	return account, err
}

// takePlace waits for a place and reports whether the subject is locked. It
// returns ErrBusy if there is no place in time. It calls waits if there is none
// at once.
func (h LoginHandler) takePlace(ctx context.Context, t try, waits func()) (locked bool, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, placeTimeout, ErrBusy)
	defer cancel()
	waited := false
	for gap := placeFirstGap; ; gap = min(2*gap, placeLastGap) {
		var grant domain.Grant
		err := h.Logins.Attempts(ctx, t.subject, func(attempts *domain.Attempts) {
			grant = attempts.Reserve(t.id, h.Now(), h.Policy)
		})
		if err != nil {
			h.release(ctx, t) // it may have been stored
			if waited && errors.Is(context.Cause(ctx), ErrBusy) {
				err = ErrBusy // the time was over in the middle of a look
			}
			return false, err
		}
		if grant != domain.Full {
			return grant == domain.Locked, nil
		}
		if !waited {
			waited = true
			waits()
		}
		select {
		case <-time.After(gap):
		case <-ctx.Done():
			return false, context.Cause(ctx)
		}
	}
}

// release gives the place back of a try that came to no result.
func (h LoginHandler) release(ctx context.Context, t try) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTimeout)
	defer cancel()
	err := h.Logins.Attempts(ctx, t.subject, func(attempts *domain.Attempts) { attempts.Release(t.id) })
	if err != nil {
		h.Log.WarnContext(ctx, "a login's place is not free until it expires", "subject", t.subject, "error", err)
	}
}
