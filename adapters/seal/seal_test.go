package seal

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"helfy/domain"
)

func sample() domain.Seal {
	return domain.Seal{
		Database: "helfy", Watermark: 470644783663284224, Entries: 7, Digest: "d",
		Topics: []domain.SealedTopic{{Name: "events", ID: "id", NextOffsets: []int64{3, 0}}},
		Heads:  []domain.SealedHead{{Chain: domain.Chain{AggregateType: "user", AggregateID: "1"}, Head: domain.Head{Seq: 1 << 60, Hash: "h"}}},
	}
}

// sealed makes keys and a seal and returns their paths.
func sealed(t *testing.T) (file, private, public string) {
	t.Helper()
	dir := t.TempDir()
	file, private = filepath.Join(dir, "seal"), filepath.Join(dir, "key")
	public, err := CreateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	if err := Write(t.Context(), file, private, sample()); err != nil {
		t.Fatal(err)
	}
	return file, private, public
}

func TestASealIsReadAsItWasWritten(t *testing.T) {
	file, private, public := sealed(t)
	if got, err := Read(t.Context(), file, public); err != nil || !reflect.DeepEqual(got, sample()) {
		t.Errorf("got %+v, %v", got, err)
	}
	for path, mode := range map[string]os.FileMode{private: 0o600, public: 0o644} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: mode %v, %v", path, info.Mode(), err)
		}
	}
	var envelope struct{ PayloadType, Payload string }
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &envelope); err != nil || envelope.PayloadType != PayloadType {
		t.Errorf("envelope %+v, %v", envelope, err)
	}
	payload, err := base64.StdEncoding.DecodeString(envelope.Payload)
	if err != nil || !bytes.Contains(payload, []byte(`"watermark":"470644783663284224"`)) {
		t.Errorf("payload %s, %v", payload, err)
	}
}

func TestNothingIsOverwritten(t *testing.T) {
	file, private, _ := sealed(t)
	if err := Write(t.Context(), file, private, sample()); err == nil {
		t.Error("a second seal has overwritten the first")
	}
	if err := Check(private, file); err == nil || !strings.Contains(err.Error(), "exists") {
		t.Errorf("got %v", err)
	}
	if _, err := CreateKey(private); err == nil {
		t.Error("a second key has overwritten the first")
	}
	other := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(other+".pub", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := CreateKey(other); err == nil {
		t.Error("a public key was overwritten")
	}
	if _, err := os.Stat(other); !os.IsNotExist(err) {
		t.Errorf("a private key without its public one is left: %v", err)
	}
}

func TestOnlyTheKeysOwnSignatureCounts(t *testing.T) {
	file, private, public := sealed(t)
	_, _, strange := sealed(t)
	if _, err := Read(t.Context(), file, strange); err == nil || !strings.Contains(err.Error(), "signature") {
		t.Errorf("another public key: %v", err)
	}
	if _, err := Read(t.Context(), file, private); err == nil {
		t.Error("a private key was taken for a public one")
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for name, bent := range map[string]string{
		"payload changed":   bend(t, text, func(e map[string]any) { e["payload"] = bendPayload(t, e["payload"].(string)) }),
		"signature changed": bend(t, text, func(e map[string]any) { signature(e)["sig"] = base64.StdEncoding.EncodeToString(make([]byte, 64)) }),
		"signature removed": bend(t, text, func(e map[string]any) { e["signatures"] = []any{} }),
		"type changed":      bend(t, text, func(e map[string]any) { e["payloadType"] = "application/json" }),
		"no envelope":       "{",
		"public key beside": bend(t, text, func(e map[string]any) { signature(e)["keyid"] = "SHA256:other" }),
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "bent")
			if err := os.WriteFile(path, []byte(bent), 0o600); err != nil {
				t.Fatal(err)
			}
			if seal, err := Read(t.Context(), path, public); err == nil || !strings.Contains(err.Error(), path) {
				t.Errorf("got %+v, %v", seal, err)
			}
		})
	}
}

func bend(t *testing.T, text []byte, do func(map[string]any)) string {
	t.Helper()
	var envelope map[string]any
	if err := json.Unmarshal(text, &envelope); err != nil {
		t.Fatal(err)
	}
	do(envelope)
	bent, err := json.Marshal(envelope)
	if err != nil {
		t.Fatal(err)
	}
	return string(bent)
}

func signature(envelope map[string]any) map[string]any {
	return envelope["signatures"].([]any)[0].(map[string]any)
}

func bendPayload(t *testing.T, payload string) string {
	t.Helper()
	text, err := base64.StdEncoding.DecodeString(payload)
	if err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(bytes.Replace(text, []byte(`"entries":7`), []byte(`"entries":8`), 1))
}

func TestAKeyFileMustHoldAnEd25519Key(t *testing.T) {
	for name, text := range map[string]string{
		"empty": "", "text": "hello", "no key": "-----BEGIN PRIVATE KEY-----\naGVsbG8=\n-----END PRIVATE KEY-----\n",
	} {
		path := filepath.Join(t.TempDir(), "key")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := Write(t.Context(), path+".seal", path, sample()); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzStatement(f *testing.F) {
	text, err := encode(sample())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte(`{"format":"helfy-seal/1","watermark":"0"}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		seal, err := decode(text)
		if err != nil {
			return
		}
		again, err := encode(seal)
		if err != nil {
			t.Fatal(err)
		}
		same, err := decode(again)
		if err != nil || !reflect.DeepEqual(seal, same) {
			t.Errorf("%q became %+v, then %+v, %v", text, seal, same, err)
		}
	})
}
