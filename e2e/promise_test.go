// Package e2e holds the promises of the service as tests: real processes,
// real parts, and faults in the middle.
package e2e

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"helfy/domain"
	"helfy/internal/stack"
	"helfy/service"
)

const (
	users    = 50
	clients  = 8
	logins   = 2000
	patience = 2 * time.Minute
)

// load is what the clients have seen.
type load struct {
	mu      sync.Mutex
	tokens  map[string]string // token hash → user name, of each answer of 200
	refused map[string]int    // other answers, by kind
	done    atomic.Int64
}

func (l *load) record(name, token string, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var status *stack.StatusError
	switch {
	case err == nil:
		l.tokens[domain.HashToken(domain.NewSecret(token))] = name
		l.done.Add(1)
	case errors.As(err, &status):
		l.refused["status "+strconv.Itoa(status.Status)]++
	default:
		l.refused["connection"]++
	}
}

// Every committed change of users and every event is in the audit log exactly
// once, whatever is killed.
func TestEveryLoginIsInTheAuditLogExactlyOnceWhateverIsKilled(t *testing.T) {
	own := stack.NewOwn(t)
	config := own.Config()
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	for i := range users {
		stack.AddUser(t, config, userName(i), domain.RoleUser)
	}
	api := stack.NewClient(stack.Start(t, config, "serve").Address(t))
	consumer := stack.Start(t, config, "consume")

	started := time.Now()
	seen := &load{tokens: map[string]string{}, refused: map[string]int{}}
	ctx, cancel := context.WithTimeout(t.Context(), 3*patience)
	defer cancel()
	var wait sync.WaitGroup
	for i := range clients {
		wait.Go(func() { seen.run(ctx, api, i) })
	}
	killConsumer := func() {
		consumer.Kill()
		consumer = stack.Start(t, config, "consume")
	}
	for _, fault := range []struct {
		at     int64
		inject func()
	}{
		{logins * 1 / 5, killConsumer},
		{logins * 2 / 5, func() { own.Ctl("kill", "kafka"); own.Ctl("start", "kafka") }},
		{logins * 3 / 5, func() { own.Ctl("kill", "tidb"); own.Ctl("start", "tidb") }},
		{logins * 4 / 5, killConsumer},
	} {
		waitFor(t, ctx, &seen.done, fault.at)
		fault.inject()
	}
	wait.Wait()
	loaded := time.Now()
	if got := seen.done.Load(); got != logins {
		t.Fatalf("%d logins were answered 200, want %d; others: %v", got, logins, seen.refused)
	}
	entries := settledAudit(t, api)
	t.Logf("%d logins in %s, other answers %v; complete %s after the last one; %d entries",
		logins, loaded.Sub(started).Round(time.Millisecond), seen.refused, time.Since(loaded).Round(time.Millisecond), len(entries))
	requireExactlyOnce(t, config, seen, entries)
}

func userName(i int) string { return fmt.Sprintf("user-%02d", i) }

// run logs in until its share of logins has been answered 200.
func (l *load) run(ctx context.Context, api *stack.Client, client int) {
	for i := 0; i < logins/clients && ctx.Err() == nil; {
		name := userName((client + i*clients) % users)
		token, err := api.Login(ctx, name, name)
		l.record(name, token, err)
		if err != nil {
			select {
			case <-time.After(20 * time.Millisecond):
			case <-ctx.Done():
			}
			continue
		}
		i++
	}
}

func waitFor(t *testing.T, ctx context.Context, counter *atomic.Int64, at int64) {
	t.Helper()
	for counter.Load() < at {
		select {
		case <-time.After(5 * time.Millisecond):
		case <-ctx.Done():
			t.Fatalf("only %d logins were answered 200", counter.Load())
		}
	}
}

// settledAudit returns the whole log once it is complete beyond now.
func settledAudit(t *testing.T, api *stack.Client) []stack.Entry {
	t.Helper()
	token, err := api.Login(t.Context(), "admin", "admin")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	stack.Eventually(t, patience, func() error {
		page, err := api.Audit(t.Context(), token, "?limit=1")
		if err != nil {
			return err
		}
		if page.CompleteThrough == nil || page.CompleteThrough.Before(now) {
			return fmt.Errorf("complete through %v, want %s", page.CompleteThrough, now)
		}
		return nil
	})
	entries, err := api.WholeAudit(t.Context(), token)
	if err != nil {
		t.Fatal(err)
	}
	return entries
}

func requireExactlyOnce(t *testing.T, config service.Config, seen *load, entries []stack.Entry) {
	t.Helper()
	log := indexEntries(t, entries)
	for token, name := range seen.tokens {
		change, ok := log.changeOfToken[token]
		if !ok {
			t.Errorf("a login of %s that was answered 200 has no change in the log", name)
			continue
		}
		if *change.Username != name {
			t.Errorf("the change of a login of %s is of %s", name, *change.Username)
		}
	}
	for _, change := range log.changes {
		log.requireExplained(t, change)
	}
	requireSameAsDatabase(t, config, log)
	faults, err := stack.CheckChains(t.Context(), stack.DB(t, config), config.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	for _, fault := range faults {
		t.Error(fault)
	}
}
