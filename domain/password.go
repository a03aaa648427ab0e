package domain

import (
	"errors"
	"fmt"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// The bounds of a password's length in characters.
const (
	MinPassword = 12
	MaxPassword = 256
)

// ErrWeakPassword says that a password must not be set.
var ErrWeakPassword = errors.New("password is too weak")

// CheckNewPassword refuses a password that must not be set. Its errors wrap
// ErrWeakPassword and never show the password.
func CheckNewPassword(password Secret) error {
	text := password.Reveal()
	if !utf8.ValidString(text) {
		return fmt.Errorf("%w: not valid UTF-8", ErrWeakPassword)
	}
	if count := utf8.RuneCountInString(norm.NFC.String(text)); count < MinPassword || count > MaxPassword {
		return fmt.Errorf("%w: want %d to %d characters", ErrWeakPassword, MinPassword, MaxPassword)
	}
	return nil
}

// NormalizePassword returns the form of a password that is hashed: Unicode
// NFC, so that the same characters typed on another system still match.
func NormalizePassword(password Secret) Secret {
	return NewSecret(norm.NFC.String(password.Reveal()))
}
