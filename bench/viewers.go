package main

import (
	"bufio"
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"helfy/domain"
	"helfy/internal/stack"
)

// viewerRate is the logins a second while viewers watch.
const viewerRate = 10

// measureViewers measures logins without and with viewers of the audit stream,
// and how long after the answer of a login its event has come to each of them.
// The password hash is a cheap one, as in measureFreshness. The viewers share
// the processors with the service: what they read costs about as much as what
// it writes.
func measureViewers(r *run) {
	config := newConfig(r)
	config.HashMemoryKiB, config.HashTime = 64, 1
	config.StreamViewersByUser = config.StreamViewers
	server := start(r, config, "run")
	addUsers(r, config)
	stack.AddUser(r, config, "admin", domain.RoleAdmin)
	token, err := server.Login(r.Context(), "admin", "admin")
	r.must(err)
	count := viewerRate * size(r, 30, 2)
	logIn(r, server, userCount) // connections and plans are there
	r.progress("%d logins without viewers", count)
	alone, _ := logIn(r, server, count)

	before := server.metric(r, "process_resident_memory_bytes")
	many := size(r, 500, 5)
	r.progress("%d viewers", many)
	crowd := openViewers(r, server, token, many)
	r.progress("%d logins with viewers", count)
	beside, answered := logIn(r, server, count)
	took := crowd.delays(r, eventsOf(r, stack.DB(r, config), answered))
	after := server.metric(r, "process_resident_memory_bytes")
	for _, p := range []float64{50, 99} {
		r.add(line{Case: fmt.Sprintf("login with %d viewers, p%.0f", many, p), Value: beside.percentile(p), Unit: "ms"}.
			beside("without", alone.percentile(p)))
	}
	for _, p := range []float64{50, 99} {
		r.add(line{Case: fmt.Sprintf("login's answer to %d viewers, p%.0f", many, p), Value: took.percentile(p), Unit: "ms"})
	}
	r.add(line{Case: fmt.Sprintf("resident memory for each of %d viewers", many), Value: (after - before) / float64(many) / 1024, Unit: "KiB"})
}

// logIn lets users log in at a steady rate. It returns how long that took, and
// when each was answered, by the hash of the token.
func logIn(r *run, server served, count int) (took times, answered map[string]time.Time) {
	var mu sync.Mutex
	answered = map[string]time.Time{}
	openLoop(r.Context(), viewerRate, count, func(i int) {
		began := time.Now()
		token, err := server.Login(r.Context(), userName(i), userName(i))
		now := time.Now()
		mu.Lock()
		defer mu.Unlock()
		if err != nil {
			r.Error(err)
			return
		}
		took = append(took, now.Sub(began))
		answered[domain.HashToken(domain.NewSecret(token))] = now
	})
	return took, answered
}

// eventsOf names the logins by their events, after which sessions are named.
func eventsOf(r *run, db *sql.DB, answered map[string]time.Time) map[string]time.Time {
	events := map[string]time.Time{}
	for token, at := range answered {
		var event string
		r.must(db.QueryRowContext(r.Context(), "SELECT id FROM sessions WHERE token_hash = ?", token).Scan(&event))
		events[event] = at
	}
	return events
}

// crowd are viewers that remember when they have seen each event.
type crowd struct {
	mu   sync.Mutex
	size int
	seen map[string][]time.Time
}

// openViewers opens streams that end with the measurement.
func openViewers(r *run, server served, token string, count int) *crowd {
	c := &crowd{size: count, seen: map[string][]time.Time{}}
	ctx, stop := context.WithCancel(r.Context())
	var reading sync.WaitGroup
	r.Cleanup(func() { stop(); reading.Wait() })
	client := &http.Client{Transport: &http.Transport{ReadBufferSize: 4 << 10}}
	for range count {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, server.Base+"/api/audit/stream", nil)
		r.must(err)
		request.Header.Set("Authorization", "Bearer "+token)
		response, err := client.Do(request)
		r.must(err)
		if response.StatusCode != http.StatusOK {
			r.Fatalf("stream: %s", response.Status)
		}
		reading.Go(func() {
			c.read(bufio.NewReaderSize(response.Body, 8<<10))
			if ctx.Err() == nil {
				r.Error("a stream has ended")
			}
			_ = response.Body.Close() // it has ended, or is given up
		})
	}
	return c
}

// read notes the events that come until the stream ends.
func (c *crowd) read(lines *bufio.Reader) {
	const uuidLength = 36
	prefix := []byte(`data: {"id":"`)
	for {
		line, err := lines.ReadSlice('\n')
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) { // what matters begins a line
			return
		}
		rest, found := bytes.CutPrefix(line, prefix)
		if !found || len(rest) <= uuidLength || rest[uuidLength] != '"' { // the id of a change is no UUID
			continue
		}
		now, id := time.Now(), string(rest[:uuidLength])
		c.mu.Lock()
		c.seen[id] = append(c.seen[id], now)
		c.mu.Unlock()
	}
}

// delays returns how long after a time each event has come to each viewer, 0 if
// before.
func (c *crowd) delays(r *run, events map[string]time.Time) (took times) {
	stack.Eventually(r, time.Minute, func() error {
		c.mu.Lock()
		defer c.mu.Unlock()
		took = nil
		for event, at := range events {
			if len(c.seen[event]) < c.size {
				return fmt.Errorf("event %s has come to %d of %d viewers", event, len(c.seen[event]), c.size)
			}
			for _, seen := range c.seen[event] {
				took = append(took, max(0, seen.Sub(at)))
			}
		}
		return nil
	})
	return took
}
