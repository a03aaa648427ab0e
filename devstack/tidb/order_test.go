package tidb_test

import (
	"context"
	"database/sql"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"helfy/canaljson"
)

func TestConcurrentWritersKeepTheOrderOfEachRow(t *testing.T) {
	const writers, transactions, rows = 8, 150, 20
	db, kafka := feedOf(t, "writers", "CREATE TABLE {db}.t (id INT PRIMARY KEY, n INT NOT NULL)")
	for i := range rows {
		mustExec(t, db, "INSERT INTO writers.t VALUES (?, 0)", i)
	}
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for range transactions {
				mustExec(t, db, "UPDATE writers.t SET n = n + 1 WHERE id = ?", rand.IntN(rows))
			}
		})
	}
	wg.Wait()
	end := now(t, db)

	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	defer cancel()
	var watermark uint64
	var changes int
	newest := map[string]*canaljson.Change{}
	for watermark < end {
		for _, r := range kafka.client.PollFetches(ctx).Records() {
			switch m := decode(t, r).(type) {
			case *canaljson.Watermark:
				if m.Ts <= watermark {
					t.Errorf("watermark %d after %d", m.Ts, watermark)
				}
				watermark = m.Ts
			case *canaljson.Change:
				changes++
				id := m.New[0].Text
				if m.CommitTs <= watermark {
					t.Errorf("a change of %d behind the watermark %d", m.CommitTs, watermark)
				}
				if before := newest[id]; before != nil && (m.CommitTs <= before.CommitTs || m.Old[1] != before.New[1]) {
					t.Errorf("row %s: %v at %d follows %v at %d", id, m.Old, m.CommitTs, before.New, before.CommitTs)
				}
				newest[id] = m
			}
		}
		if err := ctx.Err(); err != nil {
			t.Fatalf("watermark %d, want %d: %v", watermark, end, err)
		}
	}
	if want := rows + writers*transactions; changes != want {
		t.Errorf("%d changes, want %d", changes, want)
	}
}

// What fails must not hold back what succeeds.
func TestFailedTransactionsDoNotStall(t *testing.T) {
	db, kafka := feedOf(t, "failing", "CREATE TABLE {db}.t (id INT PRIMARY KEY, v INT UNIQUE, w INT DEFAULT 0)")
	mustExec(t, db, "INSERT INTO failing.t (id, v) VALUES (1, 1), (2, 2)")

	tx, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	mustExec(t, tx, "INSERT INTO failing.t (id, v) VALUES (3, 3)")
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	mustFail(t, db, 1062, "INSERT INTO failing.t (id, v) VALUES (4, 1)")
	for range 20 {
		writeConflict(t, db)
	}
	optimisticDuplicate(t, db)

	mustExec(t, db, "INSERT INTO failing.t (id, v) VALUES (5, 5)")
	begin := time.Now()
	changes := kafka.upTo(t, 1, now(t, db))
	// Watermarks come once a second; a stall would last as long as a lock.
	if waited := time.Since(begin); waited > 3*time.Second {
		t.Errorf("the watermark took %s", waited)
	}
	list := texts(t, changes)
	if want := 2 + 20 + 1; len(list) != want || list[want-1] != "t INSERT id=5 v=5 w=0" {
		t.Errorf("got %d changes, want %d: %v", len(list), want, list)
	}
}

func mustFail(t *testing.T, db *sql.DB, code uint16, query string) {
	t.Helper()
	_, err := db.ExecContext(t.Context(), query)
	var failure *mysql.MySQLError
	if !errors.As(err, &failure) || failure.Number != code {
		t.Fatalf("%s: %v, want error %d", query, err, code)
	}
}

// writeConflict lets an optimistic transaction lose.
func writeConflict(t *testing.T, db *sql.DB) {
	t.Helper()
	loser, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer loser.Close()
	mustExec(t, loser, "SET tidb_disable_txn_auto_retry = 1")
	mustExec(t, loser, "BEGIN OPTIMISTIC")
	mustExec(t, loser, "UPDATE failing.t SET w = w + 1000 WHERE id = 1")
	mustExec(t, db, "UPDATE failing.t SET w = w + 10 WHERE id = 1")
	if _, err := loser.ExecContext(t.Context(), "COMMIT"); err == nil {
		t.Fatal("the optimistic transaction did not conflict")
	}
}

// optimisticDuplicate fails with a duplicate key in the prewrite itself.
func optimisticDuplicate(t *testing.T, db *sql.DB) {
	t.Helper()
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	mustExec(t, conn, "SET tidb_constraint_check_in_place = 0")
	mustExec(t, conn, "BEGIN OPTIMISTIC")
	mustExec(t, conn, "INSERT INTO failing.t (id, v) VALUES (2, 77)")
	if _, err := conn.ExecContext(t.Context(), "COMMIT"); err == nil {
		t.Fatal("the duplicate key was accepted")
	}
}
