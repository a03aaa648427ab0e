package domain

import (
	_ "embed"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// The bounds of a password's length in characters.
const (
	MinPassword = 12
	MaxPassword = 256
)

// ErrWeakPassword says that a password must not be set.
var ErrWeakPassword = errors.New("password is too weak")

// known are passwords long enough to pass, one a line, that every guesser
// tries.
//
//go:embed known_passwords.txt
var known string

var knownPasswords = func() map[string]bool {
	set := map[string]bool{}
	for line := range strings.Lines(known) {
		set[strings.TrimSpace(line)] = true
	}
	return set
}()

// CheckNewPassword refuses a password that must not be set: one of the wrong
// length, a well-known one, one that is made of the username, or one
// character repeated. Its errors wrap ErrWeakPassword and never show the
// password.
func CheckNewPassword(password Secret, username Username) error {
	text := password.Reveal()
	if !utf8.ValidString(text) {
		return fmt.Errorf("%w: not valid UTF-8", ErrWeakPassword)
	}
	if count := utf8.RuneCountInString(norm.NFC.String(text)); count < MinPassword || count > MaxPassword {
		return fmt.Errorf("%w: want %d to %d characters", ErrWeakPassword, MinPassword, MaxPassword)
	}
	folded, name := fold(text), fold(username.String())
	first, _ := utf8.DecodeRuneInString(folded)
	switch {
	case knownPasswords[folded]:
		return fmt.Errorf("%w: it is well known", ErrWeakPassword)
	case strings.ReplaceAll(folded, name, "") == "":
		return fmt.Errorf("%w: it is the username", ErrWeakPassword)
	case strings.Trim(folded, string(first)) == "":
		return fmt.Errorf("%w: it is one character repeated", ErrWeakPassword)
	}
	return nil
}

// NormalizePassword returns the form of a password that is hashed: Unicode
// NFC, so that the same characters typed on another system still match.
func NormalizePassword(password Secret) Secret {
	return NewSecret(norm.NFC.String(password.Reveal()))
}

// fold returns a text in the form in which it is compared without regard to
// case.
func fold(text string) string { return cases.Fold().String(norm.NFC.String(text)) }
