package e2e

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"helfy/domain"
	"helfy/internal/stack"
	"helfy/service"
)

// patience is how long anything may take that the tests wait for.
const patience = 2 * time.Minute

// answer is what a client got for one login.
type answer struct {
	asked time.Time
	took  time.Duration
	kind  string // "200" or another status, or "connection"
	token string // the new token's hash, of a 200
	name  string
}

// load is logins by several clients at once, and what they have seen. A
// client that is refused tries again.
type load struct {
	names   []string
	clients int
	// logins is how many must be answered 200; 0 means: go on until the
	// context ends.
	logins int
	// pause is the rest of a client after each login.
	pause time.Duration

	mu      sync.Mutex
	answers []answer
	ok      int
	wait    sync.WaitGroup
}

// newLoad makes the users that log in, and admin.
func newLoad(t *testing.T, config service.Config, users int) *load {
	t.Helper()
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	l := &load{clients: 8}
	for i := range users {
		l.names = append(l.names, fmt.Sprintf("user-%02d", i))
		stack.AddUser(t, config, l.names[i], domain.RoleUser)
	}
	return l
}

// start begins the load; the clients take turns with the services. It ends
// with ctx at the latest.
func (l *load) start(ctx context.Context, services ...*stack.Client) {
	for i := range l.clients {
		l.wait.Go(func() { l.run(ctx, services[i%len(services)], i) })
	}
}

func (l *load) run(ctx context.Context, api *stack.Client, client int) {
	share := (l.logins + l.clients - 1 - client) / l.clients // the shares add up to logins
	for i := 0; (l.logins == 0 || i < share) && ctx.Err() == nil; {
		pause := l.pause
		if l.login(ctx, api, l.names[(client+i*l.clients)%len(l.names)]) {
			i++
		} else {
			pause = max(pause, 20*time.Millisecond)
		}
		if pause == 0 {
			continue
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
	}
}

func (l *load) login(ctx context.Context, api *stack.Client, name string) (ok bool) {
	got := answer{asked: time.Now(), name: name, kind: "200"}
	token, err := api.Login(ctx, name, name)
	got.took = time.Since(got.asked)
	var status *stack.StatusError
	switch {
	case err == nil:
		got.token = domain.HashToken(domain.NewSecret(token))
	case errors.As(err, &status):
		got.kind = strconv.Itoa(status.Status)
	case ctx.Err() != nil:
		return false // the load has ended meanwhile
	default:
		got.kind = "connection"
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.answers = append(l.answers, got)
	if err == nil {
		l.ok++
	}
	return err == nil
}

// done is the number of logins that were answered 200.
func (l *load) done() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ok
}

// waitFor waits until so many logins were answered 200.
func (l *load) waitFor(t *testing.T, logins int) {
	t.Helper()
	stack.Eventually(t, patience, func() error {
		if done := l.done(); done < logins {
			return fmt.Errorf("only %d logins were answered 200, want %d", done, logins)
		}
		return nil
	})
}

// finish waits for the end of the load and checks that every login was
// answered 200 in the end.
func (l *load) finish(t *testing.T) {
	t.Helper()
	l.wait.Wait()
	if done := l.done(); done < l.logins {
		t.Fatalf("%d logins were answered 200, want %d; all: %v", done, l.logins, kinds(l.answers))
	}
}

// between returns the answers to what was asked in a span of time.
func (l *load) between(from, to time.Time) []answer {
	l.mu.Lock()
	defer l.mu.Unlock()
	var chosen []answer
	for _, a := range l.answers {
		if !a.asked.Before(from) && a.asked.Before(to) {
			chosen = append(chosen, a)
		}
	}
	return chosen
}

// kinds counts answers by kind.
func kinds(answers []answer) map[string]int {
	count := map[string]int{}
	for _, a := range answers {
		count[a.kind]++
	}
	return count
}

// slowest returns the longest time that an answer took.
func slowest(answers []answer) time.Duration {
	var longest time.Duration
	for _, a := range answers {
		longest = max(longest, a.took)
	}
	return longest
}

// firstSince returns how long after a moment a login was answered 200.
func (l *load) firstSince(from time.Time) time.Duration {
	first := patience
	for _, a := range l.answers {
		if answered := a.asked.Add(a.took); a.kind == "200" && answered.After(from) {
			first = min(first, answered.Sub(from))
		}
	}
	return first
}
