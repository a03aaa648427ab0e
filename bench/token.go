package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"helfy/adapters/tidb"
	"helfy/app/query"
	"helfy/domain"
	"helfy/internal/stack"
	httpport "helfy/ports/http"
)

// measureToken compares GET /api/me with the same handler whose sessions are
// in memory.
func measureToken(r *run) {
	config := newConfig(r)
	stack.AddUser(r, config, "alice", domain.RoleUser)
	real := stack.Serve(r, config)
	token, err := real.Login(r.Context(), "alice", "alice")
	r.must(err)
	keyring, err := stack.Keyring(config.KeyFile)
	r.must(err)
	session, err := tidb.NewSessions(stack.DB(r, config)).ByTokenHash(r.Context(), domain.HashToken(domain.NewSecret(token)))
	r.must(err)
	log, err := config.NewLogger(r.Output())
	r.must(err)
	bare := serveHandler(r, httpport.NewHandler(httpport.Config{
		Authenticate: query.Authenticate{Sessions: remembered{session: session}, Keyring: keyring, Now: time.Now, Idle: config.SessionIdle},
		Metrics:      prometheus.NewRegistry(),
		Log:          log,
	}))
	duration := size(r, 5*time.Second, 200*time.Millisecond)
	for _, callers := range []int{1, 16} {
		r.progress("%d callers", callers)
		ask := func(client *stack.Client) (times, float64) {
			took, rate, err := closedLoop(r.Context(), callers, duration, func() error {
				response, body, err := client.Do(r.Context(), http.MethodGet, "/api/me", token, "")
				if err == nil && response.StatusCode != http.StatusOK {
					err = &stack.StatusError{Status: response.StatusCode, Body: string(body)}
				}
				return err
			})
			r.must(err)
			return took, rate
		}
		ask(bare)
		ask(real) // connections and plans are there
		bareTook, bareRate := ask(bare)
		took, rate := ask(real)
		about := fmt.Sprintf("GET /api/me, %d at once, ", callers)
		r.add(line{Case: about + "requests", Value: rate, Unit: "/s"}.beside("without the database", bareRate))
		r.add(line{Case: about + "p99", Value: took.percentile(99), Unit: "ms"}.beside("without the database", bareTook.percentile(99)))
	}
}

// serveHandler serves a handler until the measurement ends.
func serveHandler(r *run, handler http.Handler) *stack.Client {
	listener, err := (&net.ListenConfig{}).Listen(r.Context(), "tcp", "127.0.0.1:0")
	r.must(err)
	server := &http.Server{Handler: handler, ReadHeaderTimeout: time.Minute}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = server.Serve(listener) // always ends with an error, of Close
	}()
	r.Cleanup(func() {
		if err := server.Close(); err != nil {
			r.Error(err)
		}
		<-ended
	})
	return stack.NewClient("http://" + listener.Addr().String())
}

// remembered is one session in memory.
type remembered struct{ session query.StoredSession }

// ByTokenHash implements query.Sessions.
func (m remembered) ByTokenHash(_ context.Context, hash string) (query.StoredSession, error) {
	if hash != m.session.Session.TokenHash {
		return query.StoredSession{}, query.ErrNoSession
	}
	return m.session, nil
}

// Live implements query.Sessions.
func (m remembered) Live(context.Context, domain.UserID, time.Time) ([]domain.Session, error) {
	return []domain.Session{m.session.Session}, nil
}

// Seen implements query.Sessions.
func (remembered) Seen(context.Context, string, time.Time) error { return nil }
