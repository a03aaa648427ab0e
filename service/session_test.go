package service_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"

	"helfy/domain"
	"helfy/internal/stack"
)

// call sends a request and fails the test unless it is answered with status.
func call(t *testing.T, client *stack.Client, method, path, token string, status int) []byte {
	t.Helper()
	response, body, err := client.Do(t.Context(), method, path, token, "")
	if err != nil {
		t.Fatal(err)
	}
	if response.StatusCode != status {
		t.Fatalf("%s %s: status %d %s, want %d", method, path, response.StatusCode, body, status)
	}
	return body
}

func TestMeTellsWhoHoldsTheToken(t *testing.T) {
	config := stack.New(t)
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	client := stack.Serve(t, config)
	var me struct {
		UserID                    int64
		Username, Role, SessionID string
	}
	if err := json.Unmarshal(call(t, client, "GET", "/api/me", login(t, client, "admin"), 200), &me); err != nil {
		t.Fatal(err)
	}
	if me.UserID != 1 || me.Username != "admin" || me.Role != "admin" || me.SessionID == "" {
		t.Errorf("got %+v", me)
	}
}

func TestLogoutEndsThisSessionOnly(t *testing.T) {
	config := stack.New(t)
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	client := stack.Serve(t, config)
	first, second := login(t, client, "admin"), login(t, client, "admin")
	call(t, client, "POST", "/api/logout", first, http.StatusNoContent)
	call(t, client, "GET", "/api/me", first, http.StatusUnauthorized)
	call(t, client, "POST", "/api/logout", first, http.StatusUnauthorized)
	call(t, client, "GET", "/api/me", second, http.StatusOK)
	requireUnbrokenChains(t, config)
}

func TestLogoutOfAllEndsEverySession(t *testing.T) {
	config := stack.New(t)
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	stack.AddUser(t, config, "other", domain.RoleUser)
	client := stack.Serve(t, config)
	first, second, other := login(t, client, "admin"), login(t, client, "admin"), login(t, client, "other")
	call(t, client, "POST", "/api/logout?all=true", first, http.StatusNoContent)
	for _, token := range []string{first, second} {
		call(t, client, "GET", "/api/me", token, http.StatusUnauthorized)
	}
	call(t, client, "GET", "/api/me", other, http.StatusOK)
	requireUnbrokenChains(t, config)
}

func TestSessionsAreListedAndEndedOneByOne(t *testing.T) {
	config := stack.New(t)
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	stack.AddUser(t, config, "other", domain.RoleUser)
	client := stack.Serve(t, config)
	first, second, other := login(t, client, "admin"), login(t, client, "admin"), login(t, client, "other")
	type session struct {
		ID      string
		Current bool
	}
	list := func(token string) []session {
		var answer struct{ Sessions []session }
		if err := json.Unmarshal(call(t, client, "GET", "/api/sessions", token, 200), &answer); err != nil {
			t.Fatal(err)
		}
		return answer.Sessions
	}
	mine := list(second)
	if len(mine) != 2 || !mine[0].Current || mine[1].Current {
		t.Fatalf("sessions are %+v, want the newest first, which asks", mine)
	}
	call(t, client, "DELETE", "/api/sessions/"+mine[1].ID, other, http.StatusNotFound) // not theirs
	call(t, client, "GET", "/api/me", first, http.StatusOK)
	call(t, client, "DELETE", "/api/sessions/"+mine[1].ID, second, http.StatusNoContent)
	call(t, client, "GET", "/api/me", first, http.StatusUnauthorized)
	call(t, client, "DELETE", "/api/sessions/"+mine[1].ID, second, http.StatusNotFound)
	if left := list(second); len(left) != 1 {
		t.Errorf("sessions are %+v, want one", left)
	}
}

func TestEndingSessionsIsAnEventWithItsChange(t *testing.T) {
	config := stack.New(t)
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	client, _ := stack.Run(t, config)
	first := login(t, client, "admin")
	call(t, client, "POST", "/api/logout", first, http.StatusNoContent)
	token := login(t, client, "admin")
	eventuallyAudit(t, client, token, func(entries []stack.Entry) error {
		for i, entry := range entries {
			if entry.EventType != "LOGOUT" || i == 0 {
				continue // its change has not come yet
			}
			change := entries[i-1]
			if change.CommitTs != entry.CommitTs || change.Old["token_hash"] == nil || change.New["token_hash"] != nil {
				return fmt.Errorf("the change beside the logout is %+v", change)
			}
			return nil
		}
		return fmt.Errorf("no logout among %d entries", len(entries))
	})
}
