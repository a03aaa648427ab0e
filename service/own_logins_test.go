package service_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"helfy/domain"
	"helfy/internal/stack"
)

type ownLogins struct {
	Logins []struct {
		ID, EventType, IP, SessionID, Reason string
		At                                   time.Time
	}
	Next *string
}

// eventuallyOwn reads a user's own logins until there are so many.
func eventuallyOwn(t *testing.T, client *stack.Client, token string, count int) (own ownLogins) {
	t.Helper()
	stack.Eventually(t, wait, func() error {
		own = parse[ownLogins](t, call(t, client, http.MethodGet, "/api/me/logins", token, http.StatusOK))
		if len(own.Logins) != count {
			return fmt.Errorf("%d logins, want %d: %+v", len(own.Logins), count, own)
		}
		return nil
	})
	return own
}

func TestAUserSeesTheirOwnLoginsAndNobodyElses(t *testing.T) {
	config := stack.New(t)
	stack.AddUser(t, config, "alice", domain.RoleUser)
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	client, _ := stack.Run(t, config)
	login(t, client, "admin")
	if _, err := client.Login(t.Context(), "alice", "wrong"); statusOf(t, err) != http.StatusUnauthorized {
		t.Fatal(err)
	}
	call(t, client, http.MethodPost, "/api/logout", login(t, client, "alice"), http.StatusNoContent)
	token := login(t, client, "alice")
	own := eventuallyOwn(t, client, token, 4)
	var types []string
	for _, l := range own.Logins {
		types = append(types, l.EventType)
		if l.IP != "127.0.0.1" || l.At.IsZero() {
			t.Errorf("%+v: without from where or when", l)
		}
	}
	if got := strings.Join(types, " "); got != "LOGIN_SUCCESS LOGOUT LOGIN_SUCCESS LOGIN_FAILURE" {
		t.Errorf("got %s", got)
	}
	if l := own.Logins[0]; !strings.Contains(string(call(t, client, http.MethodGet, "/api/me", token, http.StatusOK)), l.SessionID) {
		t.Errorf("%+v is not of the session that asks", l)
	}
	if reason := own.Logins[3].Reason; reason != "wrong_password" {
		t.Errorf("refused for %q", reason)
	}
	if read := readings(t, config); len(read) != 0 {
		t.Errorf("recorded as a reading: %v", read)
	}
}

func TestPagesOfOwnLoginsJoin(t *testing.T) {
	config := stack.New(t)
	stack.AddUser(t, config, "alice", domain.RoleUser)
	client, _ := stack.Run(t, config)
	var token string
	for range 5 {
		token = login(t, client, "alice")
	}
	whole := eventuallyOwn(t, client, token, 5)
	var paged []string
	for path := "/api/me/logins?limit=2"; path != ""; {
		page := parse[ownLogins](t, call(t, client, http.MethodGet, path, token, http.StatusOK))
		path = ""
		if page.Next != nil {
			path = "/api/me/logins?limit=2&cursor=" + *page.Next
		}
		for _, l := range page.Logins {
			paged = append(paged, l.ID)
		}
	}
	for i, l := range whole.Logins {
		if i >= len(paged) || paged[i] != l.ID {
			t.Fatalf("pages give %v, want %+v", paged, whole.Logins)
		}
	}
	call(t, client, http.MethodGet, "/api/me/logins?cursor=x", token, http.StatusBadRequest)
}

func TestWhatAnAdministratorDidIsToldWithoutFromWhere(t *testing.T) {
	config := stack.New(t)
	config.MaxFailures = 1
	alice := stack.AddUser(t, config, "alice", domain.RoleUser)
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	client, _ := stack.Run(t, config)
	token := login(t, client, "alice")
	if _, err := client.Login(t.Context(), "alice", "wrong"); statusOf(t, err) != http.StatusUnauthorized {
		t.Fatal(err)
	}
	sendJSON(t, client, http.MethodPatch, "/api/users/"+alice.String(), login(t, client, "admin"), `{"locked":false}`, http.StatusOK)
	own := eventuallyOwn(t, client, token, 4)
	if l := own.Logins[0]; l.EventType != "USER_UNLOCKED" || l.IP != "" || l.SessionID != "" {
		t.Errorf("newest is %+v", l)
	}
}
