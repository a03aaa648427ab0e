package tidb_test

import (
	"context"
	"database/sql"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"time"

	"helfy/canaljson"
)

// entry identifies one transaction of the load.
type entry struct{ counter, n int64 }

// load runs transactions that count up a row and log the number in another
// table, until ctx ends. It returns those that were acknowledged.
func load(ctx context.Context, db *sql.DB, workers, counters int) map[entry]bool {
	var mu sync.Mutex
	var wg sync.WaitGroup
	acknowledged := map[entry]bool{}
	for worker := range workers {
		wg.Go(func() {
			random := rand.New(rand.NewPCG(uint64(worker), 1))
			for ctx.Err() == nil {
				e := entry{counter: random.Int64N(int64(counters))}
				if count(ctx, db, &e) != nil {
					continue // the server is away, or two met
				}
				mu.Lock()
				acknowledged[e] = true
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return acknowledged
}

func count(ctx context.Context, db *sql.DB, e *entry) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if err := tx.QueryRowContext(ctx, "SELECT n FROM crash.counter WHERE id = ? FOR UPDATE", e.counter).Scan(&e.n); err != nil {
		return err
	}
	e.n++
	if _, err := tx.ExecContext(ctx, "UPDATE crash.counter SET n = ? WHERE id = ?", e.n, e.counter); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, "INSERT INTO crash.log VALUES (?, ?)", e.counter, e.n); err != nil {
		return err
	}
	return tx.Commit()
}

// After kill -9 at any moment and a restart, Kafka has every transaction that
// committed, whole, in order per row, and none that did not.
func TestNothingIsLostByKill(t *testing.T) {
	const workers, counters, kills, partitions = 4, 6, 12, 3
	kafka := newKafka(t, partitions, "crash", "crash-log")
	s := newServer(t)
	db := open(t, s.sqlPort)
	mustExec(t, db, "CREATE DATABASE crash")
	mustExec(t, db, "CREATE TABLE crash.counter (id BIGINT PRIMARY KEY, n BIGINT NOT NULL)")
	mustExec(t, db, "CREATE TABLE crash.log (counter BIGINT, n BIGINT, PRIMARY KEY (counter, n))")
	for i := range counters {
		mustExec(t, db, "INSERT INTO crash.counter VALUES (?, 0)", i)
	}
	s.api.create(t, map[string]any{
		"changefeed_id": "crash", "sink_uri": sinkURI(kafka, "crash", "enable-tidb-extension=true"),
		"replica_config": map[string]any{"filter": map[string]any{"rules": []string{"crash.*"}},
			"sink": map[string]any{"dispatchers": []any{
				map[string]any{"matcher": []string{"crash.log"}, "topic": "crash-log", "partition": "index-value"},
				map[string]any{"matcher": []string{"crash.counter"}, "partition": "index-value"},
			}}},
	})

	ctx, stop := context.WithCancel(t.Context())
	loaded := make(chan map[entry]bool, 1)
	go func() { loaded <- load(ctx, db, workers, counters) }()
	for range kills {
		time.Sleep(rand.N(600 * time.Millisecond)) // a random moment, not a synchronisation
		s.kill()
		s.start(t)
		eventually(t, "connect after the restart", func() error { return db.PingContext(t.Context()) })
	}
	stop()
	acknowledged := <-loaded
	records := consume(t, kafka, "crash", "crash-log").upTo(t, 2*partitions, now(t, db))

	commits := map[string]map[entry]uint64{"log": {}, "counter": {}}
	newest := map[int64]int64{}
	for _, r := range records {
		c := change(t, r)
		e := entry{counter: number(t, c.New, "counter", "id"), n: number(t, c.New, "n")}
		if _, repeated := commits[c.Table][e]; !repeated && c.Table == "counter" {
			if e.n != newest[e.counter]+1 {
				t.Errorf("counter %d: %d follows %d", e.counter, e.n, newest[e.counter])
			}
			newest[e.counter] = e.n
			if old := number(t, c.Old, "n"); old != e.n-1 {
				t.Errorf("counter %d: the value before %d is %d", e.counter, e.n, old)
			}
		}
		commits[c.Table][e] = c.CommitTs
	}
	stored := storedLog(t, db)
	for e := range acknowledged {
		if !stored[e] {
			t.Errorf("%v was acknowledged and is not in the database", e)
		}
	}
	for e := range stored {
		if log, counter := commits["log"][e], commits["counter"][e]; log == 0 || log != counter {
			t.Errorf("%v: commit TSO %d of the log, %d of the counter", e, log, counter)
		}
	}
	if len(commits["log"]) != len(stored) || len(commits["counter"]) != len(stored) {
		t.Errorf("Kafka has %d and %d changes, the database %d", len(commits["log"]), len(commits["counter"]), len(stored))
	}
	t.Logf("%d transactions acknowledged, %d committed, %d messages, %d kills", len(acknowledged), len(stored), len(records), kills)
}

func storedLog(t *testing.T, db *sql.DB) map[entry]bool {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), "SELECT counter, n FROM crash.log")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	stored := map[entry]bool{}
	for rows.Next() {
		var e entry
		if err := rows.Scan(&e.counter, &e.n); err != nil {
			t.Fatal(err)
		}
		stored[e] = true
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return stored
}

// number returns the cell of the first of the columns that the row has.
func number(t *testing.T, row canaljson.Row, columns ...string) int64 {
	t.Helper()
	for _, column := range columns {
		if cell, ok := row.Get(column); ok {
			n, err := strconv.ParseInt(cell.Text, 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
	}
	t.Fatalf("no column %v in %v", columns, row)
	return 0
}
