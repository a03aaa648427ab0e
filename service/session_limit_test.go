package service_test

import (
	"net/http"
	"slices"
	"testing"

	"helfy/app/command"
	"helfy/domain"
	"helfy/internal/stack"
	"helfy/service"
)

// Without a bound a user could begin so many sessions that no event had room
// for the end of all of them, and no administrator could disable the user.
func TestALoginBeyondTheHundredthSessionEndsTheOldest(t *testing.T) {
	config := stack.New(t)
	stack.AddUser(t, config, "alice", domain.RoleUser)
	logins, _ := newLogins(t, config, &clock{})
	client := stack.Serve(t, config)
	const most, beyond = 100, 2
	tokens := make([]string, most+beyond)
	for i := range tokens {
		loggedIn, err := logins.Handle(t.Context(), command.Login{Username: "alice", Password: domain.NewSecret("alice")})
		if err != nil {
			t.Fatal(err)
		}
		tokens[i] = loggedIn.Token.Reveal()
	}
	for i, token := range tokens {
		want := http.StatusOK
		if i < beyond {
			want = http.StatusUnauthorized
		}
		sendJSON(t, client, http.MethodGet, "/api/me", token, "", want)
	}
	began := events(t, config, domain.LoginSuccess)
	type ended struct{ SessionIDs []string }
	for i, payload := range payloads[ended](t, config, domain.SessionRevoked) {
		if !slices.Equal(payload.SessionIDs, began[i:i+1]) {
			t.Errorf("event %d ends %v, want %v", i, payload.SessionIDs, began[i])
		}
	}
	if got := len(events(t, config, domain.SessionRevoked)); got != beyond {
		t.Errorf("%d events of an end, want %d", got, beyond)
	}
	requireUnbrokenChains(t, config)
}

// events returns the ids of the events of a type, in order.
func events(t *testing.T, config service.Config, eventType domain.EventType) (ids []string) {
	t.Helper()
	rows, err := stack.DB(t, config).QueryContext(t.Context(), "SELECT id FROM outbox WHERE type = ? ORDER BY aggregateid, seq", eventType)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return ids
}
