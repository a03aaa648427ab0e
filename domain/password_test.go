package domain

import (
	"errors"
	"strings"
	"testing"
)

// The reasons, as CheckNewPassword gives them.
const (
	ofWrongLength = "want 12 to 256 characters"
	notUTF8       = "it is not valid UTF-8"
	wellKnown     = "it is well known"
	repeated      = "it repeats one short piece"
	aName         = "it is hardly more than the username or the name of the service"
	aWalk         = "it is a date, a sequence or a walk over the keyboard"
	aRun          = "it repeats itself"
	aWord         = "it is a common word or name with little around it"
)

func TestGuessablePasswordsAreRefusedAndSayWhy(t *testing.T) {
	for text, want := range map[string]string{
		"":                                 ofWrongLength,
		"eleven char":                      ofWrongLength,
		"cafe\u0301cafe\u0301cafe\u0301":   repeated, // twelve in NFC
		"cafe\u0301 cafe\u0301 c":          ofWrongLength,
		strings.Repeat("x", MaxPassword+1): ofWrongLength,
		"\xffcorrect staple horse":         notUTF8,
		"correct horse battery staple":     wellKnown,
		"CorrectHorseBatteryStaple!1":      wellKnown,
		"password1234":                     wellKnown,
		"Password2024!":                    wellKnown,
		"123456789012":                     wellKnown,
		"1q2w3e4r5t6y":                     wellKnown,
		"ILoveYou1234":                     wellKnown,
		"hello world!":                     wellKnown,
		"Football 2024":                    wellKnown,
		"aaaaaaaaaaaa":                     repeated,
		"abcabcabcabc":                     repeated,
		"abcabcabcabcab":                   repeated,
		"sunshinesunshine":                 repeated,
		"2024202420242024":                 repeated,
		"ééééééééééééé":                    repeated,
		"bye bye bye bye ":                 repeated,
		"alicealicealice!":                 repeated + "|" + aName,
		"ALICE alice 1":                    aName,
		"Alice-1999-12-24":                 aName,
		"!!alice2024!!":                    aName,
		"helfy2024!!!":                     aName,
		"Helfy helfy 1":                    aName,
		"abcdefgh12345":                    aWalk,
		"poiuytrewqlkj":                    aWalk,
		"asdfghjkl;'\\":                    wellKnown,
		"uiop[]567890":                     aWalk,
		"0123456789ab":                     aWalk,
		"qwe asd zxc 1":                    wellKnown,
		"Juventus1897":                     aWord,
		"qwertzuiop12":                     aWord,
		"aaaaaabbbbbbb":                    aRun,
		"1111222222333":                    aRun,
		"24.12.1999!!":                     aWalk,
		"Christmas2024!":                   aWord,
		"P@ssw0rd!!!!":                     aWord,
		"p4$$w0rd2023!":                    aWord,
		"JohnSmith1985":                    aWord,
		"michael-1990":                     aWord,
		"neighborhood":                     aWord,
		"Sommer2024!!":                     aWord,
		"passwort2024!":                    aWord,
		"dragonmonkey":                     aWord,
		"monkey banana":                    aWord,
		"letmein letmein1":                 aWord,
		"Barcelona2023":                    aWord,
		"helfyadmin123":                    aWord,
	} {
		err := CheckNewPassword(NewSecret(text), name(t, "Alice"))
		if !errors.Is(err, ErrWeakPassword) {
			t.Errorf("%q: %v", text, err)
			continue
		}
		reason := strings.TrimPrefix(err.Error(), ErrWeakPassword.Error()+": ")
		if !strings.Contains("|"+want+"|", "|"+reason+"|") {
			t.Errorf("%q: %s, want %s", text, reason, want)
		}
	}
}

func TestPasswordsThatAreHardToGuessAreTaken(t *testing.T) {
	for _, text := range []string{
		"twelve chars",
		"alice's horse",
		"purple monkey dishwasher",
		"my dog is old",
		"i like my tea hot",
		"red sky at night",
		"table and chair",
		"horse battery",
		"the cat sat on it",
		"cat dog bird",
		"password letmein dragon", // three words are enough, whatever they are
		"one-lonely-lamp",
		"purplemonkeydishwasher",
		"HorseBatteryStaple",
		"blue elephant",
		"die katze schläft",
		"le chat dort ici",
		"мой дядя самых честных",
		"一二三四五六七八九十百千",
		"春が来た桜が咲いた道で会う",
		"🐎🔋📎✅🐈🌍🍞🎲🚲🌧🎻🧊",
		"xk3Rj8mQ2pLz",
		"kqzvwmtrxblp",
		"Tr0ub4dor&3Tr",
		"kX9#vQ2$mP7!",
		"8392 0174 6351 2",
		"271828182845",
		"f47ac10b-58cc-4372-a567-0e02b2c3d479",
		"            no space is lost            ",
		"password password password password blue", // long
		strings.Repeat("üb4", MaxPassword/12) + " and something else",
		"tab\tand\nline",
	} {
		if err := CheckNewPassword(NewSecret(text), name(t, "Alice")); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestAShortUsernameForbidsNoLetters(t *testing.T) {
	for _, username := range []string{"a", "7", "zz"} {
		if err := CheckNewPassword(NewSecret("a7 zz 839201746351"), name(t, username)); err != nil {
			t.Errorf("%s: %v", username, err)
		}
	}
}

func FuzzCheckNewPassword(f *testing.F) {
	for _, seed := range []string{
		"", "password1234", "correct horse battery", "\xff", "4@8({[<36&91!|0$57+2%", strings.Repeat("p@ssw0rd", 5),
		"ééééééééééééé", "1999-12-24 \u0301\u0301", "💥💥💥💥💥💥💥💥💥💥💥💥a",
	} {
		f.Add(seed, "alice")
	}
	f.Fuzz(func(t *testing.T, text, user string) {
		username, err := NewUsername(user)
		if err != nil {
			return
		}
		err = CheckNewPassword(NewSecret(text), username)
		if err == nil {
			if count := len([]rune(NormalizePassword(NewSecret(text)).Reveal())); count < MinPassword || count > MaxPassword {
				t.Errorf("%q has %d characters", text, count)
			}
			return
		}
		reason, ok := strings.CutPrefix(err.Error(), ErrWeakPassword.Error()+": ")
		all := strings.Join([]string{ofWrongLength, notUTF8, wellKnown, repeated, aName, aWalk, aRun, aWord}, "|")
		if !ok || !strings.Contains("|"+all+"|", "|"+reason+"|") {
			t.Errorf("%q: an error of its own: %v", text, err)
		}
	})
}

// The measuring must not take long, whatever is sent: it is bounded by
// maxMeasured.
func BenchmarkCheckNewPassword(b *testing.B) {
	for name, text := range map[string]string{
		"phrase":   "purple monkey dishwasher",
		"leet":     strings.Repeat("4@8({[<36&91!|0$57+2%", 2)[:maxMeasured],
		"digits":   strings.Repeat("0123456789", 4),
		"leetWord": strings.Repeat("p@ssw0rd!", 5)[:maxMeasured],
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				guessable(text)
			}
		})
	}
}
