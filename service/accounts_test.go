package service_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"helfy/domain"
	"helfy/internal/stack"
	"helfy/service"
)

// The passwords that the tests set: the policy takes them.
const (
	strong  = "orchard lantern violet 93"
	another = "Zwiebelkuchen unter 12 Sternen"
)

// account is a user as GET /api/users shows it.
type account struct {
	ID                         int64
	Username, Role, Status     string
	Locked, MustChangePassword bool
	CreatedAt                  string
	LastLoginAt                *string
}

// sendJSON sends a request with a body and fails the test unless it is answered
// with status.
func sendJSON(t *testing.T, client *stack.Client, method, path, token, body string, status int) []byte {
	t.Helper()
	response, text, err := client.Do(t.Context(), method, path, token, body)
	if err != nil {
		t.Fatal(err)
	}
	if response.StatusCode != status {
		t.Fatalf("%s %s %s: status %d %s, want %d", method, path, body, response.StatusCode, text, status)
	}
	return text
}

func parse[T any](t *testing.T, text []byte) (value T) {
	t.Helper()
	if err := json.Unmarshal(text, &value); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return value
}

// requireRefused fails the test unless a login of bob is refused.
func requireRefused(t *testing.T, client *stack.Client, password string) {
	t.Helper()
	_, err := client.Login(t.Context(), "bob", password)
	if status := statusOf(t, err); status != http.StatusUnauthorized {
		t.Errorf("status %d, want 401", status)
	}
}

// newAccounts starts the service with an administrator "admin", a user "bob",
// and returns the tokens of both.
func newAccounts(t *testing.T) (config service.Config, client *stack.Client, admin, bob string) {
	t.Helper()
	config = stack.New(t)
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	stack.AddUser(t, config, "bob", domain.RoleUser)
	client, _ = stack.Run(t, config)
	return config, client, login(t, client, "admin"), login(t, client, "bob")
}

func TestAnAdministratorMakesAUser(t *testing.T) {
	config, client, admin, _ := newAccounts(t)
	response, text, err := client.Do(t.Context(), "POST", "/api/users", admin, `{"username":"Eve","password":"`+strong+`"}`)
	if err != nil || response.StatusCode != http.StatusCreated || response.Header.Get("Location") != "/api/users/3" {
		t.Fatalf("got %+v %s, %v", response, text, err)
	}
	made := parse[account](t, text)
	want := account{ID: 3, Username: "Eve", Role: "user", Status: "active", CreatedAt: made.CreatedAt}
	if made != want || made.CreatedAt == "" {
		t.Errorf("got %+v, want %+v", made, want)
	}
	if shown := parse[account](t, sendJSON(t, client, "GET", "/api/users/3", admin, "", 200)); shown != made {
		t.Errorf("shown is %+v, made %+v", shown, made)
	}
	if _, err := client.Login(t.Context(), "eve", strong); err != nil {
		t.Error(err)
	}
	eventuallyAudit(t, client, admin, func(entries []stack.Entry) error {
		for _, event := range entries {
			if event.EventType != "USER_CREATED" || *event.UserID != 3 {
				continue
			}
			var origin domain.Origin
			if err := json.Unmarshal([]byte(*event.New["metadata"]), &origin); err != nil {
				return err
			}
			if origin.Actor != "user:1" || origin.SessionID == "" || origin.IP == "" {
				t.Errorf("origin is %+v", origin)
			}
			return nil
		}
		return errors.New("no USER_CREATED of user 3")
	})
	requireUnbrokenChains(t, config)
}

func TestBadAccountsAreRefusedByName(t *testing.T) {
	_, client, admin, bob := newAccounts(t)
	for name, test := range map[string]struct {
		method, path, token, body string
		status                    int
		says                      string
	}{
		"no administrator":      {"POST", "/api/users", bob, `{"username":"eve","password":"` + strong + `"}`, 403, "admin"},
		"taken name":            {"POST", "/api/users", admin, `{"username":"BOB","password":"` + strong + `"}`, 409, "username"},
		"bad name":              {"POST", "/api/users", admin, `{"username":" eve","password":"` + strong + `"}`, 400, "body.username"},
		"weak password":         {"POST", "/api/users", admin, `{"username":"eve","password":"planted-pw1"}`, 400, "body.password"},
		"unknown role":          {"POST", "/api/users", admin, `{"username":"eve","password":"` + strong + `","role":"root"}`, 400, "body.role"},
		"unknown member":        {"POST", "/api/users", admin, `{"username":"eve","password":"` + strong + `","id":7}`, 400, "body.id"},
		"nothing to change":     {"PATCH", "/api/users/2", admin, `{}`, 400, "exactly one of role, status, username and locked"},
		"two changes":           {"PATCH", "/api/users/2", admin, `{"role":"admin","status":"disabled"}`, 400, "exactly one"},
		"null":                  {"PATCH", "/api/users/2", admin, `{"role":null}`, 400, ""},
		"unknown status":        {"PATCH", "/api/users/2", admin, `{"status":"gone"}`, 400, "body.status"},
		"lock by hand":          {"PATCH", "/api/users/2", admin, `{"locked":true}`, 400, "body.locked"},
		"rename to nothing":     {"PATCH", "/api/users/2", admin, `{"username":""}`, 400, "body.username"},
		"rename to a taken one": {"PATCH", "/api/users/2", admin, `{"username":"ADMIN"}`, 409, "username"},
		"nobody":                {"PATCH", "/api/users/99", admin, `{"role":"admin"}`, 404, "no such user"},
		"no id":                 {"PATCH", "/api/users/bob", admin, `{"role":"admin"}`, 400, "path.id"},
		"id of 0":               {"DELETE", "/api/users/0", admin, "", 400, "path.id"},
		"delete nobody":         {"DELETE", "/api/users/99", admin, "", 404, "no such user"},
		"show nobody":           {"GET", "/api/users/99", admin, "", 404, "no such user"},
		"delete as a user":      {"DELETE", "/api/users/1", bob, "", 403, "admin"},
		"reset of nobody":       {"POST", "/api/users/99/password", admin, `{"newPassword":"` + strong + `"}`, 404, "no such user"},
		"weak reset":            {"POST", "/api/users/2/password", admin, `{"newPassword":"planted-pw1"}`, 400, "body.newPassword"},
		"reset as a user":       {"POST", "/api/users/2/password", bob, `{"newPassword":"` + strong + `"}`, 403, "admin"},
		"wrong old password":    {"POST", "/api/password", bob, `{"oldPassword":"planted-pw1","newPassword":"` + strong + `"}`, 403, "old password"},
		"weak new password":     {"POST", "/api/password", bob, `{"oldPassword":"bob","newPassword":"planted-pw1"}`, 400, "body.newPassword"},
		"bad cursor":            {"GET", "/api/users?cursor=x", admin, "", 400, "query.cursor"},
		"list as a user":        {"GET", "/api/users", bob, "", 403, "admin"},
	} {
		t.Run(name, func(t *testing.T) {
			text := string(sendJSON(t, client, test.method, test.path, test.token, test.body, test.status))
			if !strings.Contains(text, test.says) || strings.Contains(text, "planted") || strings.Contains(text, strong) {
				t.Errorf("answer %s, want %q in it and no password", text, test.says)
			}
		})
	}
	sendJSON(t, client, "GET", "/api/me", bob, "", http.StatusOK)
}

func TestUsersAreListedPageByPage(t *testing.T) {
	config, client, admin, _ := newAccounts(t)
	for i := range 5 {
		stack.AddUser(t, config, fmt.Sprintf("user%d", i), domain.RoleUser)
	}
	type page struct {
		Users []account
		Next  *string
	}
	var names []string
	for path := "/api/users?limit=3"; path != ""; {
		got := parse[page](t, sendJSON(t, client, "GET", path, admin, "", 200))
		if len(got.Users) > 3 {
			t.Errorf("a page has %d users", len(got.Users))
		}
		for _, user := range got.Users {
			names = append(names, user.Username)
		}
		path = ""
		if got.Next != nil {
			path = "/api/users?limit=3&cursor=" + *got.Next
		}
	}
	if want := "admin bob user0 user1 user2 user3 user4"; strings.Join(names, " ") != want {
		t.Errorf("listed are %v, want %s", names, want)
	}
	found := parse[page](t, sendJSON(t, client, "GET", "/api/users?user=BOB", admin, "", 200))
	if len(found.Users) != 1 || found.Users[0].Username != "bob" || found.Users[0].LastLoginAt == nil || found.Next != nil {
		t.Errorf("found %+v", found)
	}
	if none := parse[page](t, sendJSON(t, client, "GET", "/api/users?user=nobody", admin, "", 200)); len(none.Users) != 0 || none.Users == nil {
		t.Errorf("found %+v", none)
	}
}

func TestEachChangeOfAUserIsOneEventWithItsChange(t *testing.T) {
	config, client, admin, _ := newAccounts(t)
	change := func(body string) account {
		return parse[account](t, sendJSON(t, client, "PATCH", "/api/users/2", admin, body, 200))
	}
	for _, test := range []struct {
		body, event, column, from, to string
		says                          func(account) bool
	}{
		{`{"role":"admin"}`, "ROLE_CHANGED", "role", "user", "admin", func(a account) bool { return a.Role == "admin" }},
		{`{"username":"Robert"}`, "USERNAME_CHANGED", "username", "bob", "Robert", func(a account) bool { return a.Username == "Robert" }},
		{`{"status":"disabled"}`, "USER_DISABLED", "status", "active", "disabled", func(a account) bool { return a.Status == "disabled" }},
		{`{"status":"active"}`, "USER_ENABLED", "status", "disabled", "active", func(a account) bool { return a.Status == "active" }},
	} {
		if got := change(test.body); !test.says(got) || got.ID != 2 {
			t.Errorf("%s: answered %+v", test.body, got)
		}
		if got := change(test.body); !test.says(got) { // no second event
			t.Errorf("%s again: answered %+v", test.body, got)
		}
		eventuallyAttributed(t, client, admin, test.event, func(change stack.Entry) error {
			if change.Operation != "UPDATE" || *change.Old[test.column] != test.from || *change.New[test.column] != test.to {
				return fmt.Errorf("the change is %+v", change)
			}
			return nil
		})
	}
	requireNoFinding(t, config)
}

// requireNoFinding fails the test if the log's verification finds anything.
func requireNoFinding(t *testing.T, config service.Config) {
	t.Helper()
	requireUnbrokenChains(t, config)
	if found := stack.VerifiedFindings(t, config); len(found) != 0 {
		t.Errorf("found %+v", found)
	}
}

func TestADisabledUserIsOutAtOnceAndMayComeBack(t *testing.T) {
	_, client, admin, bob := newAccounts(t)
	sendJSON(t, client, "PATCH", "/api/users/2", admin, `{"status":"disabled"}`, 200)
	sendJSON(t, client, "GET", "/api/me", bob, "", http.StatusUnauthorized)
	requireRefused(t, client, "bob")
	sendJSON(t, client, "PATCH", "/api/users/2", admin, `{"status":"active"}`, 200)
	sendJSON(t, client, "GET", "/api/me", bob, "", http.StatusUnauthorized) // ended is ended
	login(t, client, "bob")
}

func TestARenamedUserSignsInByTheOtherName(t *testing.T) {
	_, client, admin, bob := newAccounts(t)
	sendJSON(t, client, "PATCH", "/api/users/2", admin, `{"username":"robert"}`, 200)
	requireRefused(t, client, "bob")
	if _, err := client.Login(t.Context(), "robert", "bob"); err != nil {
		t.Error(err)
	}
	if me := string(sendJSON(t, client, "GET", "/api/me", bob, "", 200)); !strings.Contains(me, `"robert"`) {
		t.Errorf("the session is of %s", me)
	}
}

func TestALockedUserIsShownAndUnlocked(t *testing.T) {
	config := stack.New(t)
	config.MaxFailures, config.LockTime, config.LockMax = 2, time.Hour, time.Hour
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	stack.AddUser(t, config, "bob", domain.RoleUser)
	client, _ := stack.Run(t, config)
	admin := login(t, client, "admin")
	for range 2 {
		requireRefused(t, client, "wrong")
	}
	requireRefused(t, client, "bob")
	if shown := parse[account](t, sendJSON(t, client, "GET", "/api/users/2", admin, "", 200)); !shown.Locked {
		t.Errorf("shown is %+v", shown)
	}
	for range 2 { // the second time there is nothing to forget
		if shown := parse[account](t, sendJSON(t, client, "PATCH", "/api/users/2", admin, `{"locked":false}`, 200)); shown.Locked {
			t.Errorf("answered is %+v", shown)
		}
	}
	login(t, client, "bob")
	eventuallyAttributed(t, client, admin, "USER_UNLOCKED", func(stack.Entry) error { return nil })
}

func TestADeletedUserIsGoneButNotItsEvents(t *testing.T) {
	config, client, admin, bob := newAccounts(t)
	requireRefused(t, client, "wrong")
	sendJSON(t, client, "DELETE", "/api/users/2", admin, "", http.StatusNoContent)
	sendJSON(t, client, "GET", "/api/me", bob, "", http.StatusUnauthorized)
	requireRefused(t, client, "bob")
	eventuallyAttributed(t, client, admin, "USER_DELETED", func(change stack.Entry) error {
		if change.Operation != "DELETE" || *change.Old["username"] != "bob" {
			return fmt.Errorf("the change is %+v", change)
		}
		return nil
	})
	var left int
	err := stack.DB(t, config).QueryRowContext(t.Context(), `
		SELECT (SELECT COUNT(*) FROM sessions WHERE user_id = 2) + (SELECT COUNT(*) FROM credentials WHERE user_id = 2)
		     + (SELECT COUNT(*) FROM login_networks WHERE user_id = 2) + (SELECT COUNT(*) FROM login_attempts WHERE subject LIKE 'user:2%')`).Scan(&left)
	if err != nil || left != 0 {
		t.Errorf("%d rows of the user are left, %v", left, err)
	}
	again := parse[account](t, sendJSON(t, client, "POST", "/api/users", admin, `{"username":"bob","password":"`+strong+`"}`, 201))
	if again.ID != 3 {
		t.Errorf("another user of the name has the id %d", again.ID)
	}
	requireNoFinding(t, config)
}
