package service_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"helfy/domain"
	"helfy/internal/stack"
	"helfy/service"
)

func passwords(old, chosen string) string {
	text, _ := json.Marshal(map[string]string{"oldPassword": old, "newPassword": chosen})
	return string(text)
}

func TestAUserChangesItsPasswordAndSignsInAgain(t *testing.T) {
	config, client, admin, first := newAccounts(t)
	second := login(t, client, "bob")
	sendJSON(t, client, "POST", "/api/password", first, passwords("bob", strong), http.StatusNoContent)
	for _, token := range []string{first, second} {
		sendJSON(t, client, "GET", "/api/me", token, "", http.StatusUnauthorized)
	}
	requireRefused(t, client, "bob")
	token, err := client.Login(t.Context(), "bob", strong)
	if err != nil {
		t.Fatal(err)
	}
	text := string(sendJSON(t, client, "POST", "/api/password", token, passwords(strong, strong), http.StatusBadRequest))
	if !strings.Contains(text, "it is the old one") || strings.Contains(text, strong) {
		t.Errorf("answer %s", text)
	}
	eventuallyAttributed(t, client, admin, "PASSWORD_CHANGED", func(stack.Entry) error { return nil })
	requireNoFinding(t, config)
}

func TestAResetPasswordMustBeChangedBeforeAnythingElse(t *testing.T) {
	config, client, admin, bob := newAccounts(t)
	reset := func(password string, status int) {
		t.Helper()
		sendJSON(t, client, "POST", "/api/users/2/password", admin, `{"newPassword":"`+password+`"}`, status)
	}
	reset(strong, http.StatusNoContent)
	reset(strong, http.StatusBadRequest) // it is the old one
	sendJSON(t, client, "GET", "/api/me", bob, "", http.StatusUnauthorized)
	requireRefused(t, client, "bob")
	if shown := parse[account](t, sendJSON(t, client, "GET", "/api/users/2", admin, "", 200)); !shown.MustChangePassword {
		t.Errorf("shown is %+v", shown)
	}
	type answer struct {
		Token                  string
		PasswordChangeRequired bool
	}
	restricted := parse[answer](t, sendJSON(t, client, "POST", "/api/login", "", `{"username":"bob","password":"`+strong+`"}`, 200))
	if !restricted.PasswordChangeRequired {
		t.Error("the login does not ask for the change")
	}
	if me := parse[answer](t, sendJSON(t, client, "GET", "/api/me", restricted.Token, "", 200)); !me.PasswordChangeRequired {
		t.Error("/api/me does not ask for the change")
	}
	for _, path := range []string{"/api/sessions", "/api/audit", "/api/users"} {
		if text := string(sendJSON(t, client, "GET", path, restricted.Token, "", http.StatusForbidden)); !strings.Contains(text, "password must be changed") {
			t.Errorf("%s answers %s", path, text)
		}
	}
	sendJSON(t, client, "POST", "/api/password", restricted.Token, passwords(strong, another), http.StatusNoContent)
	free := parse[answer](t, sendJSON(t, client, "POST", "/api/login", "", `{"username":"bob","password":"`+another+`"}`, 200))
	if free.PasswordChangeRequired {
		t.Error("the change is asked for again")
	}
	sendJSON(t, client, "GET", "/api/sessions", free.Token, "", http.StatusOK)
	eventuallyAttributed(t, client, admin, "PASSWORD_RESET", func(stack.Entry) error { return nil })
	requireNoFinding(t, config)
}

func TestARestrictedSessionMaySignOut(t *testing.T) {
	_, client, admin, _ := newAccounts(t)
	sendJSON(t, client, "POST", "/api/users/2/password", admin, `{"newPassword":"`+strong+`"}`, http.StatusNoContent)
	token, err := client.Login(t.Context(), "bob", strong)
	if err != nil {
		t.Fatal(err)
	}
	sendJSON(t, client, "POST", "/api/logout", token, "", http.StatusNoContent)
}

func TestTheDemandForAChangeCannotBeTakenAwayByHand(t *testing.T) {
	t.Parallel()
	for table, statement := range map[string]string{
		"credentials": "UPDATE credentials SET must_change = FALSE WHERE user_id = 2",
		"sessions":    "UPDATE sessions SET must_change_password = FALSE WHERE user_id = 2",
	} {
		t.Run(table, func(t *testing.T) {
			config, client, admin, _ := newAccounts(t)
			sendJSON(t, client, "POST", "/api/users/2/password", admin, `{"newPassword":"`+strong+`"}`, http.StatusNoContent)
			token, err := client.Login(t.Context(), "bob", strong)
			if err != nil {
				t.Fatal(err)
			}
			exec(t, config, statement)
			sendJSON(t, client, "GET", "/api/sessions", token, "", map[string]int{"credentials": 403, "sessions": 401}[table])
			if table == "credentials" {
				requireRefused(t, client, strong)
			}
		})
	}
}

func TestAResetMendsACredentialThatIsNotGenuine(t *testing.T) {
	t.Parallel()
	for name, statement := range map[string]string{
		"forged": "UPDATE credentials SET password_hash = 'nonsense' WHERE user_id = 2",
		"gone":   "DELETE FROM credentials WHERE user_id = 2",
	} {
		t.Run(name, func(t *testing.T) {
			config, client, admin, bob := newAccounts(t)
			exec(t, config, statement)
			sendJSON(t, client, "POST", "/api/password", bob, passwords("bob", strong), http.StatusForbidden)
			sendJSON(t, client, "POST", "/api/users/2/password", admin, `{"newPassword":"`+strong+`"}`, http.StatusNoContent)
			if _, err := client.Login(t.Context(), "bob", strong); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestGuessesOfTheOldPasswordAreBoundedAndLockNobodyOut(t *testing.T) {
	config := stack.New(t)
	config.MaxFailures, config.LockTime = 3, time.Hour
	config.LockMax = time.Hour
	stack.AddUser(t, config, "bob", domain.RoleUser)
	client := stack.Serve(t, config)
	token := login(t, client, "bob")
	for range 3 {
		sendJSON(t, client, "POST", "/api/password", token, passwords("wrong", strong), http.StatusForbidden)
	}
	response, text, err := client.Do(t.Context(), "POST", "/api/password", token, passwords("bob", strong))
	if err != nil || response.StatusCode != http.StatusTooManyRequests {
		t.Fatalf("got %+v %s, %v, want 429", response, text, err)
	}
	if after, err := strconv.Atoi(response.Header.Get("Retry-After")); err != nil || after < 3500 || after > 3600 {
		t.Errorf("Retry-After: %s", response.Header.Get("Retry-After"))
	}
	login(t, client, "bob")
}

func TestALoginThatHasCheckedTheOldPasswordBeginsNoSession(t *testing.T) {
	config, client, _, bob := newAccounts(t)
	var status int
	var loggedIn error
	stack.Eventually(t, wait, func() error {
		if status, loggedIn = changeBeforeLogin(t, config, client, bob); status == http.StatusServiceUnavailable {
			return errors.New("the change has waited for too long")
		}
		return nil
	})
	if status != http.StatusNoContent {
		t.Fatalf("the change is answered %d", status)
	}
	// TiDB may let the login go first: its session then ends with the others.
	if live := scalar[int](t, config, "SELECT COUNT(*) FROM sessions WHERE user_id = 2 AND revoked_at IS NULL"); live != 0 {
		t.Errorf("%d sessions are left, the login was answered %v", live, loggedIn)
	}
}

// changeBeforeLogin lets a change of the second user's password and a login with
// the old one wait for the user's row, the change first, and returns how they
// were answered.
func changeBeforeLogin(t *testing.T, config service.Config, client *stack.Client, token string) (status int, loggedIn error) {
	t.Helper()
	db := stack.DB(t, config)
	tx, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback() //nolint:errcheck // after the other one it has nothing to do
	if _, err := tx.ExecContext(t.Context(), "SELECT id FROM users WHERE id = 2 FOR UPDATE"); err != nil {
		t.Fatal(err)
	}
	changed, answered := make(chan int, 1), make(chan error, 1)
	wait := func(statements int) {
		stack.Eventually(t, wait, func() error {
			if len(changed) > 0 {
				return nil // for nothing any more
			}
			return stack.WaitForLock(t.Context(), db, "users", statements)
		})
	}
	go func() {
		response, _, err := client.Do(t.Context(), "POST", "/api/password", token, passwords("bob", strong))
		if err != nil {
			t.Error(err)
			changed <- 0
			return
		}
		changed <- response.StatusCode
	}()
	wait(1)
	go func() {
		_, err := client.Login(t.Context(), "bob", "bob")
		answered <- err
	}()
	wait(2)
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	return <-changed, <-answered
}
