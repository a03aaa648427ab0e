package service_test

import (
	"bytes"
	"cmp"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"slices"
	"testing"
	"time"

	"helfy/adapters/argon2id"
	"helfy/adapters/ratelimit"
	"helfy/adapters/tidb"
	"helfy/app/command"
	"helfy/app/query"
	"helfy/domain"
	"helfy/internal/stack"
	"helfy/service"
)

// clock is the wall clock, set forward or back, or one that stands still.
type clock struct {
	by      time.Duration
	stopped time.Time
}

func (c *clock) now() time.Time {
	if !c.stopped.IsZero() {
		return c.stopped.Add(c.by)
	}
	return time.Now().Add(c.by)
}

func TestAClockThatIsSetBackBreaksNothing(t *testing.T) {
	config := stack.New(t)
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	client, _ := stack.Run(t, config)
	keyring := keyringOf(t, config)
	db := stack.DB(t, config)
	hasher, err := argon2id.New(argon2id.DefaultParams, 1)
	if err != nil {
		t.Fatal(err)
	}
	wall := &clock{}
	users, sessions := tidb.NewUsers(db, keyring), tidb.NewSessions(db)
	logins := command.LoginHandler{
		Logins: users, Hasher: hasher, Keyring: keyring, Log: slog.New(slog.DiscardHandler),
		Now: wall.now, SessionTTL: 2 * time.Hour, InFlight: make(chan struct{}, 1),
		PerIP: ratelimit.New(0, wall.now), PerName: ratelimit.New(0, wall.now),
	}
	authenticate := query.Authenticate{Sessions: sessions, Keyring: keyring, Now: wall.now}

	steps := []time.Duration{0, -time.Hour, -90 * time.Minute, 0, -time.Hour}
	var tokens []domain.Secret
	for _, wall.by = range steps {
		loggedIn, err := logins.Handle(t.Context(), command.Login{Username: "admin", Password: domain.NewSecret("admin")})
		if err != nil {
			t.Fatalf("a login with the clock set by %s: %v", wall.by, err)
		}
		tokens = append(tokens, loggedIn.Token)
		for i, token := range tokens {
			if _, err := authenticate.Handle(t.Context(), token); err != nil {
				t.Errorf("session %d with the clock set by %s: %v", i, wall.by, err)
			}
		}
	}
	requireUnbrokenChains(t, config)
	eventuallyAudit(t, client, tokens[0].Reveal(), func(entries []stack.Entry) error { return requireOrder(entries, len(steps)) })

	// A session ends at the time that it was given, whatever the clock said
	// meanwhile, and a logout ends it also before it has begun.
	wall.by = 90 * time.Minute
	for i, token := range tokens {
		_, err := authenticate.Handle(t.Context(), token)
		if usable := err == nil; usable != (steps[i] == 0) {
			t.Errorf("session %d, begun with the clock set by %s, is usable at +90m: %v", i, steps[i], err)
		}
	}
	wall.by = -3 * time.Hour
	ending := command.EndSessionsHandler{Users: users, Now: wall.now}
	if err := ending.Handle(t.Context(), command.EndSessions{UserID: 1}); err != nil {
		t.Fatal(err)
	}
	for i, token := range tokens {
		_, err := client.Audit(t.Context(), token.Reveal(), "")
		if got := statusOf(t, err); got != http.StatusUnauthorized {
			t.Errorf("session %d is answered %d after its end, want 401", i, got)
		}
	}
	requireUnbrokenChains(t, config)
}

// requireOrder checks that the log has the logins in the order of their
// commits, which is that of the chain.
func requireOrder(entries []stack.Entry, logins int) error {
	var seqs []uint64
	for _, entry := range entries {
		if entry.EventType == string(domain.LoginSuccess) {
			seqs = append(seqs, *entry.Seq)
		}
	}
	if len(seqs) != logins || !slices.IsSortedFunc(seqs, func(a, b uint64) int { return cmp.Compare(b, a) }) {
		return fmt.Errorf("the logins in the log, newest first, have the numbers %v", seqs)
	}
	return nil
}

func keyringOf(t *testing.T, config service.Config) *domain.Keyring {
	t.Helper()
	text, err := os.ReadFile(config.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	keyring, err := domain.ReadKeyring(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return keyring
}
