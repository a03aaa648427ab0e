package domain

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

func TestSecretIsNeverShown(t *testing.T) {
	const planted = "correct horse battery staple"
	secret := NewSecret(planted)
	type holder struct {
		Open   Secret
		hidden Secret
	}
	values := map[string]any{
		"value": secret, "pointer": &secret, "slice": []Secret{secret},
		"struct": holder{secret, secret}, "map": map[string]Secret{"k": secret},
	}
	for name, value := range values {
		t.Run(name, func(t *testing.T) {
			var out strings.Builder
			for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%T"} {
				fmt.Fprintf(&out, verb+"\n", value)
			}
			text, err := json.Marshal(value)
			if err != nil {
				t.Fatal(err)
			}
			out.Write(text)
			var log bytes.Buffer
			slog.New(slog.NewJSONHandler(&log, nil)).Info("line", "value", value)
			slog.New(slog.NewTextHandler(&log, nil)).Info("line", "value", value)
			out.Write(log.Bytes())
			for _, form := range []string{planted, fmt.Sprintf("%x", planted), fmt.Sprintf("%X", planted)} {
				if strings.Contains(out.String(), form) {
					t.Errorf("shows the secret as %q in:\n%s", form, out.String())
				}
			}
		})
	}
}

func TestSecretRevealsItsText(t *testing.T) {
	var decoded struct{ Password Secret }
	if err := json.Unmarshal([]byte(`{"Password":"s3cret"}`), &decoded); err != nil {
		t.Fatal(err)
	}
	if got := decoded.Password.Reveal(); got != "s3cret" {
		t.Errorf("got %q", got)
	}
	if !(Secret{}).IsEmpty() || decoded.Password.IsEmpty() {
		t.Error("IsEmpty must hold for the zero secret only")
	}
}
