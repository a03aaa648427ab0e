package cli

import (
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"helfy/app/projection"
)

// Whatever a dead letter holds, a terminal takes nothing of it for a command.
func FuzzPrintDeadLetter(f *testing.F) {
	f.Add([]byte(`{"type":"`+"\x1b]0;owned\x07"), "broken \u202e", 0)
	f.Add([]byte("\x00\xff\u009b2J"), "\x1b[2J", 1)
	f.Add([]byte("cut \xe2\x82"), "", 2)
	f.Fuzz(func(t *testing.T, value []byte, reason string, as int) {
		as &= 3
		letter := projection.DeadLetter{Value: value, Size: int64(len(value)), Reason: reason, InKafkaAt: time.Unix(0, 0)}
		var out strings.Builder
		if err := printDeadLetter(&out, letter, []string{"auto", "text", "hex", "base64"}[as], 100); err != nil {
			t.Fatal(err)
		}
		if !utf8.ValidString(out.String()) {
			t.Fatalf("%q is no UTF-8", out.String())
		}
		for _, r := range out.String() {
			if r != '\n' && (unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r)) {
				t.Fatalf("%q has %U", out.String(), r)
			}
		}
	})
}

func TestBytesAreShownAsTextIfTheyAre(t *testing.T) {
	for value, want := range map[string]string{
		`{"a":"b"}`:     `{"a":"b"}`,
		"two\nlines":    "two\nlines",
		"cut \xe2\x82":  `cut \xe2\x82`,
		"\x00\xff":      "00000000  00 ff                                             |..|",
		"":              "",
		"back\\slash\t": `back\\slash\t`,
	} {
		if got := render([]byte(value), "auto"); got != want {
			t.Errorf("%q is shown as %q, want %q", value, got, want)
		}
	}
}
