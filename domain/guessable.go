package domain

import (
	"strings"
	"unicode"

	"github.com/ccojocar/zxcvbn-go"
	"github.com/ccojocar/zxcvbn-go/match"
	"github.com/ccojocar/zxcvbn-go/matching"
	"github.com/ccojocar/zxcvbn-go/scoring"
	"golang.org/x/text/unicode/norm"
)

// What a guesser who knows words, names, dates and keyboards would need, in
// bits. The digits behind one word are less than they seem: a year, a
// birthday, a club's foundation.
const (
	minBits         = 25
	minBitsOneWord  = 32
	minBitsTwoWords = 20
	// enoughWords are never refused, however ordinary they are.
	enoughWords = 3
	// minWord is the length of what counts as one, minFoundWord that of one
	// that is not set apart: short ones are in many longer.
	minWord      = 3
	minFoundWord = 4
)

// maxMeasured is the length in characters from which a password is strong
// enough by its length, whatever it is made of: measuring takes a time that
// grows with the square of it.
const maxMeasured = 40

// guessable returns why a password is easily guessed, and nothing for one that
// is not, by the method of https://dropbox.tech/security/zxcvbn-realistic-password-strength-estimation.
func guessable(text string) (reason string) {
	plain := withoutAccents(text)
	if len(plain) > maxMeasured || !isASCII(plain) {
		return "" // the words that are known are English
	}
	measured := measure(plain)
	if other := measure(withoutLeet(plain)); other.Entropy < measured.Entropy {
		measured = other
	}
	kind := kindOf(measured.MatchSequence)
	if measured.Entropy >= bitsWanted(kind, words(plain, measured.MatchSequence)) {
		return ""
	}
	switch kind {
	case "dictionary":
		return "it is a common word or name with little around it"
	case "repeat":
		return "it repeats itself"
	default:
		return "it is a date, a sequence or a walk over the keyboard"
	}
}

// measure leaves out the library's own search for digits that stand for
// letters, whose time grows beyond all bounds.
func measure(text string) scoring.MinEntropyMatch {
	return zxcvbn.PasswordStrength(text, moreWords, matching.FilterL33tMatcher)
}

// moreWords are what the library's English lists lack, the most common first:
// this service, and words and keyboards of other languages.
var moreWords = strings.Fields(serviceName + `
	passwort passord parola kennwort contrasena motdepasse wachtwoord senha haslo salasana losenord geheim
	qwertz azerty qwertzuiop azertyuiop qwertzui azertyui ichliebedich jetaime tequiero tiamo teamo schatz
	hallo bonjour hola ciao willkommen sommer winter herbst fruhling ete hiver verano invierno estate inverno
	montag dienstag mittwoch donnerstag freitag samstag sonntag januar februar marz april juni juli
	august oktober dezember berlin hamburg munchen koln deutschland osterreich schweiz france espana italia brasil
	fussball bayern borussia schalke juventus barcelona madrid liverpool chelsea arsenal manchester`)

func bitsWanted(kind string, words int) float64 {
	switch {
	case kind != "dictionary":
		return minBits
	case words < enoughWords-1:
		return minBitsOneWord
	case words < enoughWords:
		return minBitsTwoWords
	default:
		return 0
	}
}

// kindOf returns the pattern that covers most of a password, leaving out what
// no pattern covers.
func kindOf(matches []match.Match) (kind string) {
	covered := map[string]int{}
	for _, m := range matches {
		if m.Pattern == "bruteforce" {
			continue
		}
		covered[m.Pattern] += len(m.Token)
		if kind == "" || covered[m.Pattern] > covered[kind] {
			kind = m.Pattern
		}
	}
	return kind
}

// words counts the different words of a text, set apart or found in it.
func words(text string, found []match.Match) int {
	apart, known := map[string]bool{}, map[string]bool{}
	for _, word := range strings.FieldsFunc(fold(text), func(r rune) bool { return !unicode.IsLetter(r) }) {
		if len(word) >= minWord {
			apart[word] = true
		}
	}
	for _, m := range found {
		if m.Pattern == "dictionary" && len(onlyLetters(m.Token)) >= minFoundWord {
			known[fold(m.Token)] = true
		}
	}
	return max(len(apart), len(known))
}

var leet = strings.NewReplacer("4", "a", "@", "a", "3", "e", "1", "i", "!", "i", "0", "o", "5", "s", "$", "s", "7", "t")

// withoutLeet returns a text with letters for the digits and signs that look
// like them. What stands behind the last letter is decoration and stays.
func withoutLeet(text string) string {
	end := strings.LastIndexFunc(text, unicode.IsLetter) + 1
	return leet.Replace(text[:end]) + text[end:]
}

func withoutAccents(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Mn, r) {
			return -1
		}
		return r
	}, norm.NFD.String(text))
}

func isASCII(text string) bool {
	return strings.IndexFunc(text, func(r rune) bool { return r > unicode.MaxASCII }) < 0
}
