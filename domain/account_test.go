package domain

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func account(t *testing.T, keyring *Keyring, role Role, status Status) *User {
	t.Helper()
	state := newUser(t, keyring).State()
	state.Role, state.Status = role, status
	return LoadUser(state, keyring)
}

func TestTheLastActiveAdministratorStays(t *testing.T) {
	keyring := newKeyring(t, keyA)
	at := Occurrence{EventID: "e2", At: noon}
	for name, going := range map[string]func(user *User, otherAdmin bool) error{
		"demoted":  func(u *User, other bool) error { return u.ChangeRole(RoleUser, other, at) },
		"disabled": func(u *User, other bool) error { return u.Disable(nil, other, at) },
		"deleted":  func(u *User, other bool) error { return u.Delete(other, at) },
	} {
		for _, test := range []struct {
			role       Role
			status     Status
			otherAdmin bool
			refused    bool
		}{
			{RoleAdmin, StatusActive, false, true},
			{RoleAdmin, StatusActive, true, false},
			{RoleUser, StatusActive, false, false},
			{RoleAdmin, StatusDisabled, false, false},
		} {
			user := account(t, keyring, test.role, test.status)
			err := going(user, test.otherAdmin)
			if refused := errors.Is(err, ErrLastAdmin); refused != test.refused || err != nil && !refused {
				t.Errorf("%s %+v: %v", name, test, err)
			}
			if test.refused && (len(user.Pending().Events) != 0 || user.Pending().Deleted) {
				t.Errorf("%s %+v: a refusal changes %+v", name, test, user.Pending())
			}
		}
	}
}

func TestSettingWhatIsSoAlreadyIsNoEvent(t *testing.T) {
	keyring := newKeyring(t, keyA)
	at := Occurrence{EventID: "e2", At: noon}
	active, disabled := account(t, keyring, RoleAdmin, StatusActive), account(t, keyring, RoleAdmin, StatusDisabled)
	active.Enable(at)
	active.Rename(name(t, "alice"), at)
	err := errors.Join(active.ChangeRole(RoleAdmin, false, at), disabled.Disable(nil, false, at))
	if n := len(active.Pending().Events) + len(disabled.Pending().Events); err != nil || n != 0 {
		t.Errorf("%d events, %v", n, err)
	}
}

func TestAPasswordEndsTheSessionsThatAnotherOneBegan(t *testing.T) {
	keyring := newKeyring(t, keyA)
	for mustChange, set := range map[bool]func(*User, string, []Session, Occurrence){
		false: (*User).ChangePassword, true: (*User).ResetPassword,
	} {
		user := stored(newUser(t, keyring), keyring)
		err := user.LogIn(NewSession{ID: "s1", Token: NewSecret("t"), TTL: time.Hour}, Occurrence{EventID: "e2", At: noon})
		if err != nil {
			t.Fatal(err)
		}
		session := *user.Pending().Session
		user = stored(user, keyring)
		set(user, "$argon2id$new", []Session{session}, Occurrence{EventID: "e3", At: noon})
		pending := user.Pending()
		c := pending.Credential
		if c == nil || !c.Genuine(keyring) || c.Seq != user.State().Head.Seq || c.PasswordHash != "$argon2id$new" || c.MustChange != mustChange {
			t.Errorf("credential is %+v", c)
		}
		if len(pending.Revoked) != 1 || !pending.Revoked[0].Genuine(keyring) || pending.Revoked[0].Usable(noon, 0) || user.State().TokenHash != "" {
			t.Errorf("revoked are %+v, state %+v", pending.Revoked, user.State())
		}
		if len(pending.Events) != 1 || strings.Contains(pending.Events[0].Payload, "argon2id") {
			t.Errorf("events are %+v", pending.Events)
		}
	}
}

func TestWhetherAPasswordMustBeChangedIsSealed(t *testing.T) {
	keyring := newKeyring(t, keyA)
	user := newUser(t, keyring)
	user.ResetPassword("$argon2id$new", nil, Occurrence{EventID: "e2", At: noon})
	credential := *user.Pending().Credential
	credential.MustChange = false
	session := openSession(keyring, 7, NewSession{ID: "s", Token: NewSecret("t"), TTL: time.Hour, MustChangePassword: true}, noon)
	if !session.Genuine(keyring) {
		t.Error("the session as it was made must be genuine")
	}
	session.MustChangePassword = false
	if credential.Genuine(keyring) || session.Genuine(keyring) {
		t.Error("taking the demand away by hand must show")
	}
}

func TestARequestIsRecognisedByAllThatItAsksFor(t *testing.T) {
	keyring := newKeyring(t, keyA)
	request := Request{Actor: 1, Key: "k", Method: "POST", Path: "/api/users", Body: NewSecret(`{"a":1}`)}
	id, mac := request.Seal(keyring)
	if !request.Same(keyring, id, mac) {
		t.Error("the same request must be recognised")
	}
	for member, bend := range map[string]func(*Request){
		"actor":  func(r *Request) { r.Actor = 2 },
		"key":    func(r *Request) { r.Key = "l" },
		"method": func(r *Request) { r.Method = "PATCH" },
		"path":   func(r *Request) { r.Path = "/api/users/2" },
		"body":   func(r *Request) { r.Body = NewSecret(`{"a":2}`) },
	} {
		other := request
		bend(&other)
		if other.Same(keyring, id, mac) {
			t.Errorf("another %s must not be recognised", member)
		}
	}
}
