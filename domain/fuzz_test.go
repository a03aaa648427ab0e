package domain

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func FuzzUsername(f *testing.F) {
	for _, seed := range []string{"admin", "", " admin", "cafe\u0301", "\xff", "a\u202eb", strings.Repeat("é", 256)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		username, err := NewUsername(text)
		if err != nil {
			return
		}
		name := username.String()
		if !utf8.ValidString(name) || utf8.RuneCountInString(name) > MaxUsername || name == "" {
			t.Errorf("accepted %q", text)
		}
		if again, err := NewUsername(name); err != nil || again != username {
			t.Errorf("%q became %q, then %q, %v", text, name, again, err)
		}
	})
}

func FuzzKeyring(f *testing.F) {
	f.Add(keyA)
	f.Add("# comment\n" + keyA + "\r\n\n" + keyB)
	f.Add("zz")
	f.Fuzz(func(t *testing.T, text string) {
		keyring, err := ReadKeyring(strings.NewReader(text))
		if err != nil {
			return
		}
		if id, mac := keyring.Seal("label", text); !keyring.Verify(id, mac, "label", text) {
			t.Errorf("%q does not verify what it seals", text)
		}
	})
}

func FuzzMaskName(f *testing.F) {
	f.Add("hunter2hunter2")
	f.Add("\xff\xfe")
	keyring, err := ReadKeyring(strings.NewReader(keyA))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if unknown := MaskName(keyring, name); utf8.RuneCountInString(unknown.Masked) > 5 || len(unknown.Fingerprint) != 16 {
			t.Errorf("%q: %+v", name, unknown)
		}
	})
}
