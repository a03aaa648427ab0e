package domain

import (
	_ "embed"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// The bounds of a password's length in characters, after NFC.
const (
	MinPassword = 12
	MaxPassword = 256
)

// ErrWeakPassword says that a password must not be set.
var ErrWeakPassword = errors.New("password is too weak")

// known are passwords and phrases long enough to pass, one a line, that every
// guesser tries. Lines of minKnownLetters letters and more also stand for
// themselves with other digits, spaces and punctuation.
//
//go:embed known_passwords.txt
var known string

const minKnownLetters = 8

var knownPasswords = func() map[string]bool {
	set := map[string]bool{}
	for line := range strings.Lines(known) {
		text := fold(strings.TrimSpace(line))
		set[text] = true
		if letters := onlyLetters(text); len(letters) >= minKnownLetters {
			set[letters] = true
		}
	}
	return set
}()

// CheckNewPassword refuses a password that must not be set, by NIST SP
// 800-63B, section 5.1.1.2: one of the wrong length, and one that is commonly
// used, expected or compromised. It wants no kinds of characters, and any
// three ordinary words will do. Its errors wrap ErrWeakPassword, say which
// rule it was, and never show the password.
func CheckNewPassword(password Secret, username Username) error {
	text := norm.NFC.String(password.Reveal())
	if !utf8.ValidString(password.Reveal()) {
		return fmt.Errorf("%w: it is not valid UTF-8", ErrWeakPassword)
	}
	if count := utf8.RuneCountInString(text); count < MinPassword || count > MaxPassword {
		return fmt.Errorf("%w: want %d to %d characters", ErrWeakPassword, MinPassword, MaxPassword)
	}
	folded := fold(text)
	switch {
	case knownPasswords[folded] || knownPasswords[onlyLetters(folded)]:
		return fmt.Errorf("%w: it is well known", ErrWeakPassword)
	case repeats(folded):
		return fmt.Errorf("%w: it repeats one short piece", ErrWeakPassword)
	}
	for _, name := range []string{fold(username.String()), serviceName} {
		if decorates(folded, name) {
			return fmt.Errorf("%w: it is hardly more than the username or the name of the service", ErrWeakPassword)
		}
	}
	if reason := guessable(text); reason != "" {
		return fmt.Errorf("%w: %s", ErrWeakPassword, reason)
	}
	return nil
}

// serviceName is what many take for a password of this service.
const serviceName = "helfy"

// maxPiece is the greatest length of a piece that must not be all there is.
const maxPiece = 8

// repeats reports whether a text is one short piece again and again, the last
// time perhaps cut off.
func repeats(text string) bool {
	runes := []rune(text)
	for piece := 1; piece <= min(maxPiece, len(runes)/2); piece++ {
		if string(runes[piece:]) == string(runes[:len(runes)-piece]) {
			return true
		}
	}
	return false
}

// maxDecoration is how many digits, spaces and signs around a name make no
// password of it. What is shorter than minName is no name.
const (
	maxDecoration = 12
	minName       = 3
)

// decorates reports whether a text is a name, once or more often, with a few
// digits, spaces or signs.
func decorates(text, name string) bool {
	rest := strings.ReplaceAll(text, name, "")
	return len(text)-len(rest) >= minName && onlyLetters(rest) == "" && utf8.RuneCountInString(rest) <= maxDecoration
}

func onlyLetters(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) {
			return r
		}
		return -1
	}, text)
}

// NormalizePassword returns the form of a password that is hashed: Unicode
// NFC, so that the same characters typed on another system still match.
func NormalizePassword(password Secret) Secret {
	return NewSecret(norm.NFC.String(password.Reveal()))
}

// fold returns a text in the form in which it is compared without regard to
// case.
func fold(text string) string { return cases.Fold().String(norm.NFC.String(text)) }
