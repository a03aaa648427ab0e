package domain

import (
	"strings"
	"testing"
	"time"
)

func TestAGenuineEventDoesNotExplainAnotherChange(t *testing.T) {
	login := func(u *User) {
		must(u.LogIn(NewSession{ID: "s", Token: NewSecret("t"), TTL: time.Hour}, Occurrence{EventID: "in", At: noon}))
	}
	for name, c := range map[string]struct {
		do   func(*User)
		bend []string
		want string
	}{
		"a role with a login":        {login, []string{"role", "admin"}, `role should be "user"`},
		"a name with a login":        {login, []string{"username", "mallory"}, `username should be "alice"`},
		"a status with a login":      {login, []string{"status", "disabled"}, `status should be "active"`},
		"a time of creation":         {login, []string{"created_at", "2020-01-01 00:00:00.000000"}, "created_at should stay"},
		"another role than was told": {changeRole, []string{"role", "user"}, `role should be "admin"`},
		"a session with a failure": {func(u *User) { u.FailLogin(WrongPassword, Occurrence{EventID: "no", At: noon}) },
			[]string{"token_hash", "00"}, "token_hash should stay"},
		"an older password with a change of role": {changeRole, []string{"password_seq", "0"}, "password_seq should stay"},
	} {
		t.Run(name, func(t *testing.T) {
			tr := newTrail(t)
			before := tr.bent("created_at", "2026-01-01 00:00:00.000000", "token_hash", "11", "password_seq", "1")
			entries := tr.serve(c.do)
			entries[0] = tr.change(before, tr.bent(c.bend...))
			tr.commit(entries...)
			tr.t = t
			if findings := tr.wants(UnattributedChange); len(findings) == 1 && !strings.Contains(findings[0].Detail, c.want) {
				t.Errorf("detail %q", findings[0].Detail)
			}
		})
	}
}

func changeRole(u *User) { must(u.ChangeRole(RoleAdmin, true, Occurrence{EventID: "r", At: noon})) }

func TestARowThatIsMadeOtherThanItsEventTellsIsAFinding(t *testing.T) {
	tr := newTrail(t)
	tr.commits[0][0] = tr.change(nil, tr.bent("role", "admin"))
	tr.wants(UnattributedChange)
}

func TestOnlyADeletionExplainsADeletedRow(t *testing.T) {
	tr := newTrail(t)
	before := tr.bent()
	entries := tr.fail()
	entries[0] = tr.change(before, nil)
	tr.commit(entries...)
	tr.wants(UnattributedChange)
}

func TestWhatEachEventTellsIsNoFinding(t *testing.T) {
	occurrence := func(id string) Occurrence { return Occurrence{EventID: id, At: noon} }
	name, err := NewUsername("bob <&> \u2028 é")
	if err != nil {
		t.Fatal(err)
	}
	tr := newTrail(t)
	for _, do := range []func(*User){
		changeRole,
		func(u *User) { u.Rename(name, occurrence("n")) },
		func(u *User) { _ = u.Disable(nil, true, occurrence("d")) },
		func(u *User) { u.Enable(occurrence("e")) },
		func(u *User) { u.ChangePassword("hash", nil, occurrence("p")) },
		func(u *User) { // all at once
			must(u.ChangeRole(RoleUser, true, occurrence("r2")))
			u.Rename(mustName(t, "carol"), occurrence("n2"))
			u.ResetPassword("hash", nil, occurrence("p2"))
		},
	} {
		tr.commit(tr.serve(do)...)
	}
	before := tr.bent()
	entries := tr.serve(func(u *User) { must(u.Delete(true, occurrence("x"))) })
	entries[0] = tr.change(before, nil)
	tr.commit(entries...)
	tr.wants()
}

func mustName(t *testing.T, text string) Username {
	t.Helper()
	name, err := NewUsername(text)
	if err != nil {
		t.Fatal(err)
	}
	return name
}

// must ends the tests if the service would refuse what they let it do.
func must(err error) {
	if err != nil {
		panic(err)
	}
}
