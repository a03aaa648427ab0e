package e2e

import (
	"encoding/json"
	"testing"

	"helfy/domain"
	"helfy/internal/stack"
)

func TestTheStreamOutlivesKafka(t *testing.T) {
	t.Parallel()
	own := stack.NewOwn(t)
	config := own.Config()
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	client, _ := stack.Run(t, config)
	token, err := client.Login(t.Context(), "admin", "admin")
	if err != nil {
		t.Fatal(err)
	}
	w, err := client.Watch(t, token, "?eventType=LOGIN_SUCCESS", "")
	if err != nil {
		t.Fatal(err)
	}
	w.Next(t, patience, "complete")
	seen := map[string]bool{}
	login := func(count int) {
		t.Helper()
		for range count {
			if _, err := client.Login(t.Context(), "admin", "admin"); err != nil {
				t.Fatal(err)
			}
		}
	}
	requireSeen := func(count int) {
		t.Helper()
		for len(seen) < count {
			var entry stack.Entry
			if err := json.Unmarshal([]byte(w.Next(t, patience, "entry").Data), &entry); err != nil {
				t.Fatal(err)
			}
			seen[entry.ID] = true
		}
	}
	login(2)
	requireSeen(2)
	own.Ctl("kill", "kafka")
	login(3)
	own.Ctl("start", "kafka")
	requireSeen(5)
	login(1)
	requireSeen(6)
}
