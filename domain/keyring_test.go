package domain

import (
	"strings"
	"testing"
)

const (
	keyA = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
	keyB = "ffeeddccbbaa99887766554433221100ffeeddccbbaa99887766554433221100"
)

func newKeyring(t *testing.T, lines ...string) *Keyring {
	t.Helper()
	keyring, err := ReadKeyring(strings.NewReader(strings.Join(lines, "\n")))
	if err != nil {
		t.Fatal(err)
	}
	return keyring
}

func TestKeyFileMustHoldAKey(t *testing.T) {
	for name, text := range map[string]string{
		"empty":        "",
		"only comment": "# no key yet\n",
		"short":        keyA[:62],
		"not hex":      strings.Repeat("zz", 32),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ReadKeyring(strings.NewReader(text))
			if err == nil {
				t.Fatal("want an error")
			}
			if text != "" && strings.Contains(err.Error(), strings.TrimSpace(text)) {
				t.Errorf("the error shows the key: %v", err)
			}
		})
	}
}

func TestAReplacedKeyStillVerifies(t *testing.T) {
	id, mac := newKeyring(t, keyA).Seal("label", "field")
	both := newKeyring(t, "# the new one first", keyB, "", keyA)
	if !both.Verify(id, mac, "label", "field") {
		t.Error("the old key's MAC must verify")
	}
	if newID, _ := both.Seal("label", "field"); newID == id {
		t.Error("the first key must seal")
	}
	if newKeyring(t, keyB).Verify(id, mac, "label", "field") {
		t.Error("an unknown key must not verify")
	}
}

func TestSealTellsFieldsApart(t *testing.T) {
	keyring := newKeyring(t, keyA)
	id, mac := keyring.Seal("label", "ab", "c")
	for name, fields := range map[string][]string{
		"moved boundary": {"a", "bc"},
		"joined":         {"abc"},
		"added empty":    {"ab", "c", ""},
		"swapped":        {"c", "ab"},
	} {
		if keyring.Verify(id, mac, "label", fields...) {
			t.Errorf("%s: must not verify", name)
		}
	}
	if keyring.Verify(id, mac, "other", "ab", "c") {
		t.Error("another label must not verify")
	}
	if !keyring.Verify(id, mac, "label", "ab", "c") {
		t.Error("the same fields must verify")
	}
}
