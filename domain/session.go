package domain

import (
	"crypto/sha256"
	"encoding/hex"
	"time"
)

// Session is one login of a user, as it is stored.
type Session struct {
	ID        string
	UserID    UserID
	TokenHash string
	IssuedAt  time.Time
	ExpiresAt time.Time
	RevokedAt time.Time // zero: not revoked
	// LastSeenAt is to the minute; it is not sealed.
	LastSeenAt time.Time
	// MustChangePassword restricts the session to the change of a password
	// that an administrator has set.
	MustChangePassword bool
	KeyID              string
	MAC                string
}

// NewSession is what a login brings for its session.
type NewSession struct {
	ID    string
	Token Secret
	TTL   time.Duration
	// MustChangePassword is that of the credential that earned the session.
	MustChangePassword bool
	// PasswordHash is a new hash of the same password, empty to keep the old
	// one.
	PasswordHash string
	// Network is the one to remember that the login came from, empty for none.
	Network string
}

// HashToken returns the form in which a token is stored: SHA-256 in hex. A
// token has 122 random bits, so it needs no slow hash.
func HashToken(token Secret) string {
	sum := sha256.Sum256([]byte(token.Reveal()))
	return hex.EncodeToString(sum[:])
}

func openSession(keyring *Keyring, user UserID, session NewSession, at time.Time) Session {
	at = at.UTC().Truncate(time.Microsecond)
	opened := Session{
		ID: session.ID, UserID: user, TokenHash: HashToken(session.Token),
		IssuedAt: at, ExpiresAt: at.Add(session.TTL).Truncate(time.Microsecond), LastSeenAt: at,
		MustChangePassword: session.MustChangePassword,
	}
	opened.KeyID, opened.MAC = keyring.Seal(sessionLabel, opened.sealed()...)
	return opened
}

// revoke returns the session as it is from now on.
func (s Session) revoke(keyring *Keyring, at time.Time) Session {
	s.RevokedAt = at.UTC().Truncate(time.Microsecond)
	s.KeyID, s.MAC = keyring.Seal(sessionLabel, s.sealed()...)
	return s
}

const sessionLabel = "helfy-session-v1"

// Genuine reports whether the service itself wrote the session.
func (s Session) Genuine(keyring *Keyring) bool {
	return keyring.Verify(s.KeyID, s.MAC, sessionLabel, s.sealed()...)
}

// ExpiryReason says why a session has expired. It stands in the event.
type ExpiryReason string

// The reasons for the expiry of a session.
const (
	ExpiredIdle     ExpiryReason = "idle"     // it was not used for too long
	ExpiredAbsolute ExpiryReason = "absolute" // it has lasted as long as a session may
)

// Expired returns why the session has expired at now, empty if it has not.
// idle is how long a session lasts without use, 0 for no such bound.
func (s Session) Expired(now time.Time, idle time.Duration) ExpiryReason {
	switch {
	case !now.Before(s.ExpiresAt):
		return ExpiredAbsolute
	case idle > 0 && now.Sub(s.LastSeenAt) >= idle:
		return ExpiredIdle
	default:
		return ""
	}
}

// Usable reports whether the session is neither expired nor revoked at now;
// idle is as in Expired.
func (s Session) Usable(now time.Time, idle time.Duration) bool {
	return s.RevokedAt.IsZero() && s.Expired(now, idle) == ""
}

func (s Session) sealed() []string {
	revoked := ""
	if !s.RevokedAt.IsZero() {
		revoked = FormatTime(s.RevokedAt)
	}
	fields := []string{s.ID, s.UserID.String(), s.TokenHash, FormatTime(s.IssuedAt), FormatTime(s.ExpiresAt), revoked}
	if s.MustChangePassword {
		fields = append(fields, mustChangePassword)
	}
	return fields
}
