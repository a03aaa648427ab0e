package service_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"helfy/domain"
	"helfy/internal/stack"
)

// watch opens the audit stream, or fails.
func watch(t *testing.T, client *stack.Client, token, query, lastID string) *stack.Watcher {
	t.Helper()
	w, err := client.Watch(t, token, query, lastID)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// awaitLogin reads until there are both entries of a login by the name, and
// returns their ids.
func awaitLogin(t *testing.T, w *stack.Watcher, name string) []string {
	t.Helper()
	var event, change string
	for event == "" || change == "" {
		entry := w.Entry(t, wait)
		switch {
		case entry.Username == nil || *entry.Username != name:
		case entry.EventType == string(domain.LoginSuccess):
			event = entry.ID
		case entry.Table == "users" && entry.Operation == "UPDATE":
			change = entry.ID
		}
	}
	return []string{event, change}
}

func TestALoginIsOnTheStream(t *testing.T) {
	config := stack.New(t)
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	stack.AddUser(t, config, "alice", domain.RoleUser)
	client, _ := stack.Run(t, config)
	token := login(t, client, "admin")
	w := watch(t, client, token, "", "")
	w.Next(t, wait, "complete")
	login(t, client, "alice")
	ids := awaitLogin(t, w, "alice")
	eventuallyAudit(t, client, token, func(entries []stack.Entry) error {
		if entries[0].CommitTs != entries[1].CommitTs || *entries[0].Username != "alice" {
			return errors.New("the login is not in the log")
		}
		if logged := []string{entries[0].ID, entries[1].ID}; !sameIDs(logged, ids) {
			t.Errorf("on the stream are %v, in the log %v", ids, logged)
		}
		return nil
	})
}

func sameIDs(a, b []string) bool {
	if len(a) != len(b) {
		return false
	}
	there := map[string]bool{}
	for _, id := range a {
		there[id] = true
	}
	for _, id := range b {
		if !there[id] {
			return false
		}
	}
	return len(there) == len(a)
}

func TestAnEntryOnTheStreamIsThatOfTheLog(t *testing.T) {
	config := stack.New(t)
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	client, _ := stack.Run(t, config)
	token := login(t, client, "admin")
	w := watch(t, client, token, "?eventType=LOGIN_FAILURE", "")
	const hostile = "</script><img src=x onerror=alert(1)>\u00e9&quot;\"'`"
	response, answer := send(t, client, http.MethodPost, "/api/login", `{"username":"admin","password":"wrong"}`,
		map[string]string{"User-Agent": hostile})
	if response.StatusCode != http.StatusUnauthorized {
		t.Fatalf("%s %s", response.Status, answer)
	}
	event := w.Next(t, wait, "entry")
	streamed := parse[map[string]any](t, []byte(event.Data))
	if got := streamed["metadata"].(map[string]any)["userAgent"]; got != hostile {
		t.Errorf("the client calls itself %q, on the stream %q", hostile, got)
	}
	eventuallyAudit(t, client, token, func([]stack.Entry) error {
		page := parse[struct{ Entries []map[string]any }](t, call(t, client, "GET", "/api/audit?limit=500", token, 200))
		for _, entry := range page.Entries {
			if entry["id"] == streamed["id"] {
				if got, want := fmt.Sprint(streamed), fmt.Sprint(entry); got != want {
					t.Errorf("on the stream\n%s\nin the log\n%s", got, want)
				}
				return nil
			}
		}
		return fmt.Errorf("%s is not in the log", streamed["id"])
	})
}

func TestTheStreamIsForAdministrators(t *testing.T) {
	config := stack.New(t)
	stack.AddUser(t, config, "alice", domain.RoleUser)
	client := stack.Serve(t, config)
	for token, status := range map[string]int{login(t, client, "alice"): http.StatusForbidden, "": http.StatusUnauthorized} {
		_, err := client.Watch(t, token, "", "")
		var refused *stack.StatusError
		if !errors.As(err, &refused) || refused.Status != status {
			t.Errorf("got %v, want %d", err, status)
		}
	}
}

func TestTheStreamIsNeitherKeptNorHeldBack(t *testing.T) {
	config := stack.New(t)
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	client := stack.Serve(t, config)
	response, body, err := client.Do(t.Context(), http.MethodGet, "/api/audit/stream", login(t, client, "admin"), "")
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("%v, %v", response, err)
	}
	for name, want := range map[string]string{
		"Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Accel-Buffering": "no",
	} {
		if got := response.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if !strings.Contains(string(body), "\nid: ") {
		t.Errorf("it begins without a position: %q", body)
	}
}
