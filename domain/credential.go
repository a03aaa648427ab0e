package domain

import "strconv"

// Credential is a user's password hash, as it is stored.
type Credential struct {
	UserID UserID
	// PasswordHash is a PHC string.
	PasswordHash string
	// Seq is the user's event that set the password.
	Seq uint64
	// NewestSeq is the event that set the user's newest password, as the
	// user's row has it: another Seq is that of a credential put back by hand.
	// It is 0 for a user whose row does not tell yet.
	NewestSeq uint64
	// MustChange says that an administrator has set the password, for one
	// login that changes it.
	MustChange bool
	KeyID      string
	MAC        string
}

const credentialLabel = "helfy-credential-v1"

// mustChangePassword is sealed where it holds and left out otherwise, so that
// what was sealed without it stays genuine.
const mustChangePassword = "must-change-password"

func (c Credential) seal(keyring *Keyring) Credential {
	c.KeyID, c.MAC = keyring.Seal(credentialLabel, c.sealed()...)
	return c
}

// Genuine reports whether the service itself wrote the credential, as the
// user's newest one.
func (c Credential) Genuine(keyring *Keyring) bool {
	return (c.NewestSeq == 0 || c.NewestSeq == c.Seq) && keyring.Verify(c.KeyID, c.MAC, credentialLabel, c.sealed()...)
}

// IsStale reports whether another key sealed the credential than the one that
// seals now.
func (c Credential) IsStale(keyring *Keyring) bool { return c.KeyID != keyring.current }

func (c Credential) sealed() []string {
	fields := []string{c.UserID.String(), c.PasswordHash, strconv.FormatUint(c.Seq, 10)}
	if c.MustChange {
		fields = append(fields, mustChangePassword)
	}
	return fields
}
