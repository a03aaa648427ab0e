package domain

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// MaxUsername is the greatest length of a username in characters.
const MaxUsername = 255

// ErrInvalidUsername says that a name cannot be anybody's.
var ErrInvalidUsername = errors.New("invalid username")

// Username is the name that a user signs in with, in Unicode NFC. The
// database compares names without regard to case and accents.
type Username struct{ text string }

// NewUsername checks and normalises a name: 1 to MaxUsername characters,
// valid UTF-8, no control or invisible format characters, no space around
// it. Its error wraps ErrInvalidUsername and says what is wrong, but not the
// name, which may be a password typed into the wrong field.
func NewUsername(text string) (Username, error) {
	if !utf8.ValidString(text) {
		return Username{}, fmt.Errorf("%w: not valid UTF-8", ErrInvalidUsername)
	}
	text = norm.NFC.String(text)
	count := utf8.RuneCountInString(text)
	if count == 0 || count > MaxUsername {
		return Username{}, fmt.Errorf("%w: want 1 to %d characters, got %d", ErrInvalidUsername, MaxUsername, count)
	}
	runes := []rune(text)
	if unicode.IsSpace(runes[0]) || unicode.IsSpace(runes[count-1]) {
		return Username{}, fmt.Errorf("%w: it begins or ends with a space", ErrInvalidUsername)
	}
	for _, r := range runes {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) {
			return Username{}, fmt.Errorf("%w: it has the unprintable character U+%04X", ErrInvalidUsername, r)
		}
	}
	return Username{text: text}, nil
}

// FoldName returns a form that spellings of a name have in common which differ
// in case, accents and width only. To the database a few more are the same, such
// as æ and ae. It takes any text.
func FoldName(text string) string {
	bare := strings.Map(func(r rune) rune {
		if unicode.In(r, unicode.Mn, unicode.Me) {
			return -1
		}
		return r
	}, norm.NFKD.String(text))
	return cases.Fold().String(bare)
}

// String returns the name.
func (u Username) String() string { return u.text }
