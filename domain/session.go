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
	KeyID      string
	MAC        string
}

// NewSession is what a login brings for its session.
type NewSession struct {
	ID    string
	Token Secret
	TTL   time.Duration
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
		IssuedAt: at, ExpiresAt: at.Add(session.TTL).Truncate(time.Microsecond),
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

// Usable reports whether the session is neither expired nor revoked at now.
func (s Session) Usable(now time.Time) bool {
	return s.RevokedAt.IsZero() && now.Before(s.ExpiresAt)
}

func (s Session) sealed() []string {
	revoked := ""
	if !s.RevokedAt.IsZero() {
		revoked = FormatTime(s.RevokedAt)
	}
	return []string{s.ID, s.UserID.String(), s.TokenHash, FormatTime(s.IssuedAt), FormatTime(s.ExpiresAt), revoked}
}
