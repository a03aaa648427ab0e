package service_test

import (
	"net/http"
	"testing"
	"time"

	"helfy/adapters/tidb"
	"helfy/app/command"
	"helfy/domain"
	"helfy/internal/stack"
	"helfy/service"
)

// counts are the rows that a login touches.
type counts struct {
	Sessions, Events, UserSeq int
	TokenHash                 string
}

func count(t *testing.T, config service.Config) counts {
	t.Helper()
	var c counts
	err := stack.DB(t, config).QueryRowContext(t.Context(), `
		SELECT (SELECT COUNT(*) FROM sessions), (SELECT COUNT(*) FROM outbox), event_seq, COALESCE(token_hash, '')
		FROM users WHERE id = 1`).Scan(&c.Sessions, &c.Events, &c.UserSeq, &c.TokenHash)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestALoginIsStoredWholeOrNotAtAll(t *testing.T) {
	t.Parallel()
	for part, sabotage := range map[string]struct{ breaking, mending string }{
		"outbox":   {"ALTER TABLE outbox RENAME COLUMN type TO broken", "ALTER TABLE outbox RENAME COLUMN broken TO type"},
		"users":    {"ALTER TABLE users RENAME COLUMN token_hash TO broken", "ALTER TABLE users RENAME COLUMN broken TO token_hash"},
		"sessions": {"ALTER TABLE sessions RENAME COLUMN mac TO broken", "ALTER TABLE sessions RENAME COLUMN broken TO mac"},
	} {
		t.Run(part, func(t *testing.T) {
			config := stack.New(t)
			stack.AddUser(t, config, "admin", domain.RoleAdmin)
			client, _ := stack.Run(t, config)
			before := count(t, config)
			db := stack.DB(t, config)
			if _, err := db.ExecContext(t.Context(), sabotage.breaking); err != nil {
				t.Fatal(err)
			}
			_, err := client.Login(t.Context(), "admin", "admin")
			if status := statusOf(t, err); status != http.StatusServiceUnavailable {
				t.Errorf("status %d, want 503", status)
			}
			if _, err := db.ExecContext(t.Context(), sabotage.mending); err != nil {
				t.Fatal(err)
			}
			if after := count(t, config); after != before {
				t.Errorf("a failed login has changed %+v to %+v", before, after)
			}
			login(t, client, "admin")
			if after := count(t, config); after.Sessions != before.Sessions+1 || after.Events != before.Events+1 || after.UserSeq != before.UserSeq+1 {
				t.Errorf("a login has changed %+v to %+v", before, after)
			}
		})
	}
}

// A login has two COMMITs: its place among the tries, and its result.
func TestALostCommitIsSettled(t *testing.T) {
	t.Parallel()
	for name, cut := range map[string]stack.Cut{
		"before the server sees it": stack.CutBeforeCommit,
		"after the server has it":   stack.CutAfterCommit,
		"in silence":                stack.SilenceAfterCommit,
	} {
		for nth, what := range map[int]string{1: "place", 2: "result"} {
			t.Run(what+" "+name, func(t *testing.T) { loseCommit(t, nth, cut) })
		}
	}
}

func loseCommit(t *testing.T, nth int, cut stack.Cut) {
	config := stack.New(t)
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	before := count(t, config)
	viaProxy, proxy := stack.ViaProxy(t, config)
	// Of the time that a login has, most must be left when it asks again.
	logins, _ := newLogins(t, viaProxy, &clock{})
	logins.Logins = tidb.NewUsers(stack.ServiceDB(t, viaProxy, func(c *tidb.Config) { c.Timeout = 2 * time.Second }), keyringOf(t, config))

	proxy.CutNth(nth, cut)
	loggedIn, err := logins.Handle(t.Context(), command.Login{Username: "admin", Password: domain.NewSecret("admin")})
	if err != nil {
		t.Fatal(err)
	}
	token := loggedIn.Token.Reveal()
	if proxy.Cuts.Load() != 1 {
		t.Fatalf("the proxy has cut %d connections, want 1", proxy.Cuts.Load())
	}
	want := counts{
		Sessions: before.Sessions + 1, Events: before.Events + 1, UserSeq: before.UserSeq + 1,
		TokenHash: domain.HashToken(domain.NewSecret(token)),
	}
	if after := count(t, config); after != want {
		t.Errorf("the database has %+v, the answer says %+v", after, want)
	}
	if _, err := stack.Serve(t, config).Audit(t.Context(), token, ""); err != nil {
		t.Errorf("the token must be usable: %v", err)
	}
	requireUnbrokenChains(t, config)
}
