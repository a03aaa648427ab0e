//go:build nginx

package web_test

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"sync"
	"testing"

	"helfy/domain"
	"helfy/internal/stack"
)

// clients log in again and again until stop, which tells how many were answered
// 200 and which other answers there were.
func clients(t *testing.T, s *site, count int) (stop func() (ok int, others []error)) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	var mu sync.Mutex
	var succeeded int
	var failed []error
	for i := range count {
		name := "client-" + strconv.Itoa(i)
		stack.AddUser(t, s.config, name, domain.RoleUser)
		running.Go(func() {
			for ctx.Err() == nil {
				_, err := s.Login(ctx, name, name)
				mu.Lock()
				if err == nil {
					succeeded++
				} else if ctx.Err() == nil {
					failed = append(failed, err)
				}
				mu.Unlock()
			}
		})
	}
	t.Cleanup(func() { cancel(); running.Wait() })
	return func() (int, []error) { cancel(); running.Wait(); return succeeded, failed }
}

// nginx does not ask whether a process is ready. What it sends while the port
// closes can be lost, one request of each client at most, and is not sent again.
func TestRestartsInTurnBehindNginxLoseNothingButWhatComesAsAPortCloses(t *testing.T) {
	s := newSite(t, stack.New(t), first, second)
	const count = 4
	stop := clients(t, s, count)
	restarts := 0
	for range 2 {
		for _, address := range []string{first, second} {
			if err := s.apis[address].Stop(); err != nil {
				t.Errorf("the process at %s was told to end: %v", address, err)
			}
			s.start(t, address)
			restarts++
		}
	}
	ok, failed := stop()
	t.Logf("%d restarts, %d logins, %d lost", restarts, ok, len(failed))
	if len(failed) > restarts*count {
		t.Errorf("%d logins were lost", len(failed))
	}
	for _, err := range failed {
		if status := (*stack.StatusError)(nil); !errors.As(err, &status) || status.Status != http.StatusServiceUnavailable {
			t.Errorf("a login failed otherwise: %v", err)
		}
	}
	if ok < restarts*count {
		t.Errorf("only %d logins were answered", ok)
	}
}
