package service_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"helfy/app/command"
	"helfy/domain"
	"helfy/internal/stack"
)

func TestAPasswordIsHashedAnewAtLoginWhenParametersChange(t *testing.T) {
	config := stack.New(t)
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	db := stack.DB(t, config)
	config.HashTime = 3
	client, _ := stack.Run(t, config)
	for i, want := range []bool{true, false} {
		login(t, client, "admin")
		var hash string
		var credentialSeq, userSeq int
		err := db.QueryRowContext(t.Context(),
			"SELECT password_hash, c.event_seq, u.event_seq FROM credentials c JOIN users u ON u.id = c.user_id").Scan(&hash, &credentialSeq, &userSeq)
		if err != nil || !strings.HasPrefix(hash, "$argon2id$v=19$m=64,t=3,p=1$") {
			t.Errorf("the hash begins with %.35s, %v", hash, err)
		}
		if credentialSeq != 2 || userSeq != 2+i {
			t.Errorf("the credential is of event %d of %d, want the first login's", credentialSeq, userSeq)
		}
		successes := payloads[struct{ Rehashed bool }](t, config, domain.LoginSuccess)
		if successes[i].Rehashed != want {
			t.Errorf("login %d: rehashed is %t, want %t", i+1, successes[i].Rehashed, want)
		}
	}
	if _, err := client.Login(t.Context(), "admin", "wrong"); err == nil {
		t.Error("a wrong password is taken")
	}
	requireUnbrokenChains(t, config)
	stack.RequireNoFindings(t, config)
}

// busyHasher is busy with everything but verifications.
type busyHasher struct{ command.Hasher }

func (busyHasher) Hash(context.Context, domain.Secret) (string, error) { return "", command.ErrBusy }

func TestABusyHasherPutsTheNewHashOff(t *testing.T) {
	config := stack.New(t)
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	config.HashTime = 3
	logins, hasher := newLogins(t, config, &clock{})
	logins.Hasher = busyHasher{hasher}
	if err := try(t, logins, "admin", "admin"); err != nil {
		t.Fatal(err)
	}
	if successes := payloads[struct{ Rehashed bool }](t, config, domain.LoginSuccess); len(successes) != 1 || successes[0].Rehashed {
		t.Errorf("logins are %+v", successes)
	}
}

func TestAPasswordThatIsChangedDuringALoginIsNotUsedAnyMore(t *testing.T) {
	config := stack.New(t)
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	stack.AddUser(t, config, "other", domain.RoleUser)
	logins, hasher := newLogins(t, config, &clock{})
	hasher.verified = func() {
		hasher.verified = nil
		exec(t, config, "UPDATE credentials SET mac = REPEAT('0', 64) WHERE user_id = 1")
	}
	_, err := logins.Handle(t.Context(), command.Login{Username: "admin", Password: domain.NewSecret("admin")})
	if !errors.Is(err, command.ErrBusy) || !errors.Is(err, command.ErrCredentialChanged) {
		t.Errorf("got %v", err)
	}
	var sessions int
	if err := stack.DB(t, config).QueryRowContext(t.Context(), "SELECT COUNT(*) FROM sessions").Scan(&sessions); err != nil || sessions != 0 {
		t.Errorf("%d sessions, %v", sessions, err)
	}
}

func TestAUserWhoIsDisabledDuringALoginIsRefused(t *testing.T) {
	config := stack.New(t)
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	logins, hasher := newLogins(t, config, &clock{})
	hasher.verified = func() {
		hasher.verified = nil
		exec(t, config, "UPDATE users SET status = 'disabled' WHERE id = 1")
	}
	if err := try(t, logins, "admin", "admin"); !errors.Is(err, command.ErrInvalidCredentials) {
		t.Errorf("got %v", err)
	}
	if err := try(t, logins, "admin", "admin"); !errors.Is(err, command.ErrInvalidCredentials) {
		t.Errorf("the next time: %v", err)
	}
	if got := failures(t, config); got[domain.UserDisabled] != 2 || hasher.real.Load() != 1 {
		t.Errorf("failures are %v, %d verifications", got, hasher.real.Load())
	}
	requireUnbrokenChains(t, config)
}
