package domain

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 123456789, time.UTC)

func name(t *testing.T, text string) Username {
	t.Helper()
	username, err := NewUsername(text)
	if err != nil {
		t.Fatal(err)
	}
	return username
}

func newUser(t *testing.T, keyring *Keyring) *User {
	t.Helper()
	return RegisterUser(7, name(t, "alice"), RoleUser, "$argon2id$…", keyring,
		Occurrence{EventID: "e1", At: noon, Origin: Origin{Actor: "cli"}})
}

// stored is the user as it comes back from the database.
func stored(user *User, keyring *Keyring) *User { return LoadUser(user.State(), keyring) }

func TestRegisteringMakesTheFirstEventAndASealedCredential(t *testing.T) {
	keyring := newKeyring(t, keyA)
	user := newUser(t, keyring)
	event := user.Pending().Events[0]
	if event.Type != UserCreated || event.Seq != 1 || event.PrevHash != "" || event.AggregateID != "7" {
		t.Errorf("first event is %+v", event)
	}
	if user.State().Head != (Head{Seq: 1, Hash: event.Hash}) {
		t.Errorf("head is %+v", user.State().Head)
	}
	if c := user.Pending().Credential; c == nil || !c.Genuine(keyring) || c.Seq != 1 {
		t.Errorf("credential is %+v", c)
	}
}

func TestLoginStartsASessionAndSaysWhy(t *testing.T) {
	keyring := newKeyring(t, keyA)
	user := stored(newUser(t, keyring), keyring)
	before := user.State().Head
	token := NewSecret("550e8400-e29b-41d4-a716-446655440000")
	err := user.LogIn(NewSession{ID: "s1", Token: token, TTL: time.Hour},
		Occurrence{EventID: "e2", At: noon, Origin: Origin{Actor: "user:7", IP: "192.0.2.1"}})
	if err != nil {
		t.Fatal(err)
	}
	pending, state := user.Pending(), user.State()
	if len(pending.Events) != 1 || pending.Session == nil {
		t.Fatalf("pending is %+v", pending)
	}
	event, session := pending.Events[0], *pending.Session
	if event.Type != LoginSuccess || event.Seq != before.Seq+1 || event.PrevHash != before.Hash {
		t.Errorf("event does not follow the head: %+v", event)
	}
	if session.TokenHash != HashToken(token) || state.TokenHash != session.TokenHash {
		t.Error("session and user must hold the token's hash")
	}
	if want := noon.Add(time.Hour).Truncate(time.Microsecond); !session.ExpiresAt.Equal(want) || !state.TokenExpiresAt.Equal(want) {
		t.Errorf("expires at %s and %s, want %s", session.ExpiresAt, state.TokenExpiresAt, want)
	}
	if strings.Contains(event.Payload+event.Metadata, token.Reveal()) {
		t.Error("the event shows the token")
	}
	var origin Origin
	if err := json.Unmarshal([]byte(event.Metadata), &origin); err != nil || origin.SessionID != "s1" || origin.IP != "192.0.2.1" {
		t.Errorf("metadata %s, %v", event.Metadata, err)
	}
}

func TestADisabledUserCannotLogIn(t *testing.T) {
	keyring := newKeyring(t, keyA)
	state := newUser(t, keyring).State()
	state.Status = StatusDisabled
	user := LoadUser(state, keyring)
	err := user.LogIn(NewSession{ID: "s", Token: NewSecret("t"), TTL: time.Hour}, Occurrence{EventID: "e", At: noon})
	if !errors.Is(err, ErrUserDisabled) {
		t.Fatalf("got %v", err)
	}
	if len(user.Pending().Events) != 0 || user.Pending().Session != nil || user.State().Head != state.Head {
		t.Error("a refusal must change nothing")
	}
}

func TestAFailedLoginAdvancesTheChain(t *testing.T) {
	keyring := newKeyring(t, keyA)
	user := stored(newUser(t, keyring), keyring)
	user.FailLogin(WrongPassword, Occurrence{EventID: "e2", At: noon})
	if user.State().Head.Seq != 2 || user.State().TokenHash != "" {
		t.Errorf("state %+v, pending %+v", user.State(), user.Pending())
	}
}

func TestEveryMemberOfAnEventIsSealed(t *testing.T) {
	keyring := newKeyring(t, keyA)
	event := newUser(t, keyring).Pending().Events[0]
	if !keyring.VerifyEvent(event) {
		t.Fatal("a genuine event must verify")
	}
	for member, bend := range map[string]func(*Event){
		"id":            func(e *Event) { e.ID = "e9" },
		"aggregateType": func(e *Event) { e.AggregateType = "unknown" },
		"aggregateID":   func(e *Event) { e.AggregateID = "8" },
		"type":          func(e *Event) { e.Type = LoginSuccess },
		"payload":       func(e *Event) { e.Payload = strings.Replace(e.Payload, "alice", "mallory", 1) },
		"metadata":      func(e *Event) { e.Metadata = "{}" },
		"seq":           func(e *Event) { e.Seq++ },
		"prevHash":      func(e *Event) { e.PrevHash = "0" },
		"keyID":         func(e *Event) { e.KeyID = "0" },
		"occurredAt":    func(e *Event) { e.OccurredAt = e.OccurredAt.Add(time.Microsecond) },
		"hash":          func(e *Event) { e.Hash = strings.Repeat("0", 64) },
	} {
		t.Run(member, func(t *testing.T) {
			bent := event
			bend(&bent)
			if keyring.VerifyEvent(bent) {
				t.Error("a bent event must not verify")
			}
		})
	}
}

func TestASessionIsGenuineAndUsableOnlyAsItWasMade(t *testing.T) {
	keyring := newKeyring(t, keyA)
	session := openSession(keyring, 7, NewSession{ID: "s", Token: NewSecret("t"), TTL: time.Hour}, noon)
	if !session.Genuine(keyring) || !session.Usable(noon, 0) || session.Usable(noon.Add(time.Hour), 0) {
		t.Error("a new session is usable until it expires")
	}
	longer := session
	longer.ExpiresAt = longer.ExpiresAt.Add(time.Hour)
	other := session
	other.UserID = 1
	if longer.Genuine(keyring) || other.Genuine(keyring) {
		t.Error("a session written by hand is not genuine")
	}
}

func TestUnknownNamesAreMasked(t *testing.T) {
	keyring := newKeyring(t, keyA)
	chains := map[Chain]bool{}
	for _, tried := range []string{"hunter2hunter2", "pass", "пароль-пароль", ""} {
		unknown := MaskName(keyring, tried)
		event, _ := FailUnknownLogin(keyring, Head{}, unknown, Occurrence{EventID: "e", At: noon})
		if len(tried) > 2 && strings.Contains(event.Payload+event.Metadata, tried) {
			t.Errorf("the event shows %q", tried)
		}
		if same := MaskName(keyring, strings.ToUpper(tried)); unknown.Fingerprint != same.Fingerprint || unknown.Chain != same.Chain {
			t.Error("the same name, without regard to case, must give the same fingerprint")
		}
	}
	for i := range 1000 {
		chains[MaskName(keyring, strings.Repeat("x", i)).Chain] = true
	}
	if len(chains) != unknownChains {
		t.Errorf("1000 names use %d chains, want %d", len(chains), unknownChains)
	}
}

func TestUsernames(t *testing.T) {
	for text, valid := range map[string]bool{
		"admin": true, "Ana María": true, "名前": true, "مستخدم": true, strings.Repeat("é", MaxUsername): true,
		"": false, " admin": false, "admin\t": false, "a\x00b": false, "a\u202eb": false, "a\u200bb": false,
		"\xff": false, strings.Repeat("é", MaxUsername+1): false,
	} {
		if _, err := NewUsername(text); (err == nil) != valid {
			t.Errorf("%q: %v", text, err)
		}
	}
	if composed, decomposed := name(t, "caf\u00e9"), name(t, "cafe\u0301"); composed != decomposed {
		t.Error("the same characters must be the same name")
	}
}
