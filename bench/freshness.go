package main

import (
	"context"
	"database/sql"
	"fmt"
	"sync"
	"time"

	"helfy/app/projection"
	"helfy/domain"
	"helfy/internal/stack"
)

// measureFreshness measures how long after the answer of a login its event is
// in the table that GET /api/audit reads. The table is asked, for an index
// alone, because reading the log itself that often is more work than the
// logins. Logins come at a steady rate. The password hash is a cheap one: it is
// over before the answer, and the machine must be able to do so many.
func measureFreshness(r *run) {
	config := newConfig(r)
	config.HashMemoryKiB, config.HashTime = 64, 1
	server := start(r, config, "run")
	addUsers(r, config)
	db := stack.DB(r, config)
	log := watchLog(r, db)
	late(r, server, db, log, 10, userCount) // the consumers are at work
	for _, rate := range []int{1, 10, 50} {
		count := rate * size(r, 20, 2)
		r.progress("%d logins at %d a second", count, rate)
		took := late(r, server, db, log, float64(rate), count)
		for _, p := range []float64{50, 95, 99} {
			l := line{Case: fmt.Sprintf("login's answer to audit log, %d/s, p%.0f", rate, p), Value: took.percentile(p), Unit: "ms"}
			if rate == 10 && p == 99 {
				l = l.aim("less than 50 ms")
			}
			r.add(l)
		}
	}
}

// late lets users log in at a rate and returns how long after its answer the
// log had each login's event, 0 if before.
func late(r *run, server served, db *sql.DB, log *watch, rate float64, count int) (took times) {
	var (
		mu       sync.Mutex
		answered = map[string]time.Time{} // by the hash of the token
		refused  int
	)
	openLoop(r.Context(), rate, count, func(i int) {
		token, err := server.Login(r.Context(), userName(i), userName(i))
		now := time.Now()
		mu.Lock()
		defer mu.Unlock()
		switch {
		case err == nil:
			answered[domain.HashToken(domain.NewSecret(token))] = now
		case refusedBusy(err):
			refused++
		default:
			r.Error(err)
		}
	})
	if refused > 0 {
		r.progress("%d of %d logins were answered 503", refused, count)
	}
	// A session is named after its event.
	for token, at := range answered {
		var event string
		r.must(db.QueryRowContext(r.Context(), "SELECT id FROM sessions WHERE token_hash = ?", token).Scan(&event))
		took = append(took, max(0, log.wait(r, event).Sub(at)))
	}
	return took
}

// watch knows when each login came into the audit log.
type watch struct {
	mu   sync.Mutex
	seen map[string]time.Time // by event
}

const (
	watchEvery = 2 * time.Millisecond
	// watchBack is how far behind the newest commit an event may come.
	watchBack = 5 * time.Second
)

// watchLog looks into the log again and again until the measurement ends.
func watchLog(r *run, db *sql.DB) *watch {
	w := &watch{seen: map[string]time.Time{}}
	ctx, stop := context.WithCancel(r.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for ; ctx.Err() == nil; time.Sleep(watchEvery) {
			if err := w.look(ctx, db); err != nil && ctx.Err() == nil {
				r.Error(err)
				return
			}
		}
	}()
	r.Cleanup(func() { stop(); <-ended })
	return w
}

func (w *watch) look(ctx context.Context, db *sql.DB) error {
	rows, err := db.QueryContext(ctx, `
		SELECT row_key FROM projection_audit_entries
		WHERE generation = ? AND event_type = ? AND commit_ts > ?`,
		projection.FirstGeneration, domain.LoginSuccess, domain.TSOOfTime(time.Now().Add(-watchBack)))
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var event string
		if err := rows.Scan(&event); err != nil {
			return err
		}
		w.mu.Lock()
		if _, known := w.seen[event]; !known {
			w.seen[event] = time.Now()
		}
		w.mu.Unlock()
	}
	return rows.Err()
}

// wait returns when an event came into the log, as soon as it has.
func (w *watch) wait(r *run, event string) (at time.Time) {
	stack.Eventually(r, time.Minute, func() error {
		w.mu.Lock()
		defer w.mu.Unlock()
		var seen bool
		if at, seen = w.seen[event]; !seen {
			return fmt.Errorf("event %s is not in the log", event)
		}
		return nil
	})
	return at
}
