package service_test

import (
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"

	"helfy/domain"
	"helfy/internal/stack"
)

// repeat sends the same request with a key and returns the status and body.
func repeat(t *testing.T, client *stack.Client, method, path, token, key, body string) (int, string) {
	t.Helper()
	response, text, err := client.DoKeyed(t.Context(), method, path, token, key, body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(text)
}

func TestARequestThatComesAgainIsAnsweredAgain(t *testing.T) {
	config, first, admin, _ := newAccounts(t)
	second := stack.Serve(t, config) // another instance
	for _, test := range []struct {
		event              domain.EventType
		method, path, body string
		status             int
	}{
		{domain.RoleChanged, "PATCH", "/api/users/2", `{"role":"admin"}`, 200},
		{domain.UsernameChanged, "PATCH", "/api/users/2", `{"username":"robert"}`, 200},
		{domain.PasswordReset, "POST", "/api/users/2/password", `{"newPassword":"` + strong + `"}`, 204},
		{domain.UserDeleted, "DELETE", "/api/users/2", "", 204},
	} {
		before := len(payloads[any](t, config, test.event))
		key := "key of " + string(test.event)
		status, answer := repeat(t, first, test.method, test.path, admin, key, test.body)
		if status != test.status {
			t.Errorf("%s: status %d %s, want %d", test.event, status, answer, test.status)
		}
		for _, client := range []*stack.Client{first, second} {
			if again, text := repeat(t, client, test.method, test.path, admin, key, test.body); again != status || text != answer {
				t.Errorf("%s: first %d %s, then %d %s", test.event, status, answer, again, text)
			}
		}
		if events := len(payloads[any](t, config, test.event)); events != before+1 {
			t.Errorf("%d new events %s, want 1", events-before, test.event)
		}
	}
}

// A change of the own password ends the session that asks for it.
func TestAChangeOfThePasswordThatComesAgainIsAnsweredAgain(t *testing.T) {
	config, client, _, _ := newAccounts(t)
	stack.AddUser(t, config, "eve", domain.RoleUser)
	token, logout := login(t, client, "eve"), login(t, client, "eve")
	call(t, client, "POST", "/api/logout", logout, 204)
	body := `{"oldPassword":"eve","newPassword":"` + strong + `"}`
	if status, text := repeat(t, client, "POST", "/api/password", logout, "k", body); status != 401 {
		t.Errorf("by an ended session, before it was sent: status %d %s", status, text)
	}
	if status, text := repeat(t, client, "POST", "/api/password", token, "k", body); status != 204 {
		t.Fatalf("status %d %s", status, text)
	}
	for name, step := range map[string]struct {
		token, key, body string
		want             int
	}{
		"the same":                 {token, "k", body, 204},
		"by another ended session": {logout, "k", body, 204},
		"with another body":        {token, "k", `{"oldPassword":"eve","newPassword":"` + strong + `2"}`, 422},
		"with another key":         {token, "l", body, 401},
		"without a key":            {token, "", body, 401},
		"by a session never begun": {strings.Repeat("x", 43), "k", body, 401},
	} {
		if status, text := repeat(t, client, "POST", "/api/password", step.token, step.key, step.body); status != step.want {
			t.Errorf("%s: status %d %s, want %d", name, status, text, step.want)
		}
	}
	if changed := len(payloads[any](t, config, domain.PasswordChanged)); changed != 1 {
		t.Errorf("%d changes, want 1", changed)
	}
}

func TestAnAnswerStaysWhatItWas(t *testing.T) {
	_, client, admin, _ := newAccounts(t)
	body := `{"username":"eve","password":"` + strong + `"}`
	status, made := repeat(t, client, "POST", "/api/users", admin, "k", body)
	if status != http.StatusCreated {
		t.Fatalf("status %d %s", status, made)
	}
	sendJSON(t, client, "PATCH", "/api/users/3", admin, `{"username":"eva"}`, 200)
	sendJSON(t, client, "DELETE", "/api/users/3", admin, "", 204)
	if status, text := repeat(t, client, "POST", "/api/users", admin, "k", body); status != http.StatusCreated || text != made {
		t.Errorf("first %s, then %d %s", made, status, text)
	}
}

func TestAKeyIsForOneRequestOfOneUser(t *testing.T) {
	config, client, admin, _ := newAccounts(t)
	stack.AddUser(t, config, "other", domain.RoleAdmin)
	other := login(t, client, "other")
	if status, text := repeat(t, client, "PATCH", "/api/users/2", admin, "k", `{"status":"disabled"}`); status != 200 {
		t.Fatalf("status %d %s", status, text)
	}
	for name, request := range map[string][3]string{
		"another body":   {"PATCH", "/api/users/2", `{"status":"active"}`},
		"another user":   {"PATCH", "/api/users/3", `{"status":"disabled"}`},
		"another method": {"DELETE", "/api/users/2", ""},
		"another route":  {"POST", "/api/users", `{"username":"eve","password":"` + strong + `"}`},
	} {
		status, text := repeat(t, client, request[0], request[1], admin, "k", request[2])
		if status != http.StatusUnprocessableEntity || !strings.Contains(text, "Idempotency-Key") || strings.Contains(text, strong) {
			t.Errorf("%s: status %d %s, want 422", name, status, text)
		}
	}
	if status, text := repeat(t, client, "PATCH", "/api/users/2", other, "k", `{"status":"active"}`); status != 200 {
		t.Errorf("of another administrator: status %d %s", status, text)
	}
}

func TestKeysThatAreNoneAreRefused(t *testing.T) {
	_, client, admin, _ := newAccounts(t)
	for name, keys := range map[string][]string{
		"empty": {""}, "too long": {strings.Repeat("k", 256)}, "not ASCII": {"schlüssel"}, "two": {"a", "b"},
	} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodDelete, client.Base+"/api/users/2", nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Authorization", "Bearer "+admin)
		request.Header["Idempotency-Key"] = keys
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		if response.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: status %d, want 400", name, response.StatusCode)
		}
		if err := response.Body.Close(); err != nil {
			t.Error(err)
		}
	}
	if status, text := repeat(t, client, "DELETE", "/api/users/2", admin, strings.Repeat("~", 255), ""); status != 204 {
		t.Errorf("the longest key: status %d %s", status, text)
	}
}

func TestTheSameRequestsAtOnceAreDoneOnce(t *testing.T) {
	config, first, admin, _ := newAccounts(t)
	clients := []*stack.Client{first, stack.Serve(t, config)}
	body := `{"username":"eve","password":"` + strong + `"}`
	const requests = 6
	answers := make([]string, requests)
	var racing sync.WaitGroup
	for i := range requests {
		racing.Go(func() {
			status, text := untilServed(t, clients[i%2], "POST", "/api/users", admin, "k", body)
			if status != http.StatusCreated {
				t.Errorf("status %d %s", status, text)
			}
			answers[i] = string(text)
		})
	}
	racing.Wait()
	for _, answer := range answers {
		if answer != answers[0] {
			t.Errorf("answers are %q and %q", answers[0], answer)
		}
	}
	if made := len(payloads[any](t, config, domain.UserCreated)); made != 3 {
		t.Errorf("%d users were made, want 3", made)
	}
	requireUnbrokenChains(t, config)
}

func TestARefusedRequestMayComeAgainWithItsKey(t *testing.T) {
	config, client, admin, _ := newAccounts(t)
	if status, text := repeat(t, client, "DELETE", "/api/users/1", admin, "k", ""); status != http.StatusConflict {
		t.Fatalf("status %d %s", status, text)
	}
	stack.AddUser(t, config, "other", domain.RoleAdmin)
	if status, text := repeat(t, client, "DELETE", "/api/users/1", admin, "k", ""); status != http.StatusNoContent {
		t.Errorf("status %d %s", status, text)
	}
}

func TestALostCommitOfAnAccountIsSettled(t *testing.T) {
	t.Parallel()
	for name, cut := range map[string]stack.Cut{"before": stack.CutBeforeCommit, "after": stack.CutAfterCommit} {
		for _, key := range []string{"", "k"} {
			t.Run(name+" the server has it, key "+strconv.Quote(key), func(t *testing.T) {
				config, _, admin, _ := newAccounts(t)
				viaProxy, proxy := stack.ViaProxy(t, config)
				client := stack.Serve(t, viaProxy)
				for _, test := range []struct {
					event              domain.EventType
					method, path, body string
					status             int
				}{
					{domain.UserCreated, "POST", "/api/users", `{"username":"eve","password":"` + strong + `"}`, 201},
					{domain.UsernameChanged, "PATCH", "/api/users/2", `{"username":"robert"}`, 200},
					{domain.PasswordReset, "POST", "/api/users/2/password", `{"newPassword":"` + strong + `"}`, 204},
					{domain.UserDeleted, "DELETE", "/api/users/2", "", 204},
				} {
					before, cuts := len(payloads[any](t, config, test.event)), proxy.Cuts.Load()
					proxy.CutNext(cut)
					sent := key
					if key != "" {
						sent += string(test.event)
					}
					status, text := repeat(t, client, test.method, test.path, admin, sent, test.body)
					if status != test.status || proxy.Cuts.Load() != cuts+1 {
						t.Fatalf("%s: status %d %s after %d cuts", test.event, status, text, proxy.Cuts.Load()-cuts)
					}
					if status == http.StatusCreated && parse[account](t, []byte(text)).Username != "eve" {
						t.Errorf("answered is %s", text)
					}
					if events := len(payloads[any](t, config, test.event)); events != before+1 {
						t.Errorf("%d new events %s, want 1", events-before, test.event)
					}
				}
				requireUnbrokenChains(t, config)
			})
		}
	}
}

func TestTheKeysTableTellsNoPassword(t *testing.T) {
	config, client, admin, _ := newAccounts(t)
	if status, text := repeat(t, client, "POST", "/api/users/2/password", admin, "k", `{"newPassword":"`+strong+`"}`); status != 204 {
		t.Fatalf("status %d %s", status, text)
	}
	var row string
	err := stack.DB(t, config).QueryRowContext(t.Context(),
		"SELECT CONCAT_WS(' ', actor_id, request_key, key_id, fingerprint, answer) FROM idempotency_keys").Scan(&row)
	if err != nil || !strings.HasPrefix(row, "1 k ") || strings.Contains(row, strong) || strings.Contains(row, "argon2") {
		t.Errorf("the row is %q, %v", row, err)
	}
}
