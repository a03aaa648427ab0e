package tidb_test

import (
	"context"
	"database/sql"
	"strings"
	"sync"
	"testing"
)

// A transaction sees the rows as they were when it began, in whichever
// direction and by whichever index it reads them.
func TestReadsOfATransactionSeeItsSnapshot(t *testing.T) {
	db := open(t, sqlPort)
	newDatabase(t, db, "snapshot")
	mustExec(t, db, "CREATE TABLE snapshot.t (id INT PRIMARY KEY, v INT NOT NULL, w INT NOT NULL, KEY (v))")
	mustExec(t, db, "INSERT INTO snapshot.t VALUES (1, 10, 0), (2, 20, 0), (3, 30, 0)")

	tx, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	const before = "1/10/0 2/20/0 3/30/0"
	query(t, tx, "SELECT id, v, w FROM snapshot.t") // takes the snapshot
	mustExec(t, db, "INSERT INTO snapshot.t VALUES (4, 15, 1)")
	mustExec(t, db, "UPDATE snapshot.t SET v = 40, w = 1 WHERE id = 2")
	mustExec(t, db, "DELETE FROM snapshot.t WHERE id = 3")

	for _, c := range []struct{ query, want string }{
		{"SELECT id, v, w FROM snapshot.t ORDER BY id", before},
		{"SELECT id, v, w FROM snapshot.t ORDER BY id DESC", "3/30/0 2/20/0 1/10/0"},
		{"SELECT id, v, w FROM snapshot.t ORDER BY id DESC LIMIT 1", "3/30/0"},
		{"SELECT id, v, w FROM snapshot.t USE INDEX (v) WHERE v > 0 ORDER BY v", before},
		{"SELECT id, v, w FROM snapshot.t USE INDEX (v) WHERE v > 0 ORDER BY v DESC", "3/30/0 2/20/0 1/10/0"},
		{"SELECT id, v, w FROM snapshot.t USE INDEX (v) WHERE v > 0 ORDER BY v DESC LIMIT 2", "3/30/0 2/20/0"},
		{"SELECT id, v FROM snapshot.t USE INDEX (v) WHERE v > 0 ORDER BY v DESC", "3/30 2/20 1/10"},
		{"SELECT id, v FROM snapshot.t USE INDEX (v) WHERE v > 0 ORDER BY v DESC LIMIT 2", "3/30 2/20"},
		{"SELECT id, v FROM snapshot.t USE INDEX (v) WHERE v > 0 ORDER BY v DESC LIMIT 1 OFFSET 2", "1/10"},
		{"SELECT id, v FROM snapshot.t USE INDEX (v) WHERE v < 30 ORDER BY v DESC LIMIT 5", "2/20 1/10"},
		{"SELECT id, v FROM snapshot.t USE INDEX (v) WHERE v IN (10, 20, 30, 40) ORDER BY v DESC LIMIT 2", "3/30 2/20"},
		{"SELECT id, v FROM snapshot.t USE INDEX (v) WHERE (v, id) < (30, 3) ORDER BY v DESC, id DESC LIMIT 1", "2/20"},
		{"SELECT MAX(v), MAX(id) FROM snapshot.t", "30/3"},
		{"SELECT id, v, w FROM snapshot.t WHERE id = 3", "3/30/0"},
		{"SELECT id, v, w FROM snapshot.t WHERE id IN (1, 2, 3, 4) ORDER BY id", before},
	} {
		t.Run(c.query, func(t *testing.T) {
			if got := query(t, tx, c.query); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

// An index and the rows it leads to are read at one TSO, in either direction,
// whatever commits in between.
func TestIndexLookupsFindTheirRowsWhileOthersInsert(t *testing.T) {
	const writers, readers, reads = 4, 4, 50
	db := open(t, sqlPort)
	newDatabase(t, db, "lookups")
	mustExec(t, db, "CREATE TABLE lookups.t (id BIGINT AUTO_INCREMENT PRIMARY KEY, v INT NOT NULL, w INT NOT NULL, KEY (v))")
	stop := make(chan struct{})
	var writing, reading sync.WaitGroup
	for range writers {
		writing.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				if _, err := db.ExecContext(t.Context(), "INSERT INTO lookups.t (v, w) VALUES (?, 1), (?, 1), (?, 1)", n%7, n%7, n%5); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for range readers {
		reading.Go(func() {
			for range reads {
				for _, order := range []string{"v DESC LIMIT 40", "v DESC", "v"} {
					q := "SELECT * FROM lookups.t USE INDEX (v) WHERE v BETWEEN 5 AND 6 ORDER BY " + order
					if _, err := rows(t.Context(), db, q); err != nil {
						t.Errorf("%s: %v", q, err)
						return
					}
				}
			}
		})
	}
	reading.Wait()
	close(stop)
	writing.Wait()
}

type querier interface {
	QueryContext(context.Context, string, ...any) (*sql.Rows, error)
}

func query(t *testing.T, db querier, query string) string {
	t.Helper()
	got, err := rows(t.Context(), db, query)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return got
}

// rows renders the rows of an answer: values with a slash between them.
func rows(ctx context.Context, db querier, query string) (string, error) {
	answer, err := db.QueryContext(ctx, query)
	if err != nil {
		return "", err
	}
	defer answer.Close()
	columns, err := answer.Columns()
	if err != nil {
		return "", err
	}
	values, pointers := make([]string, len(columns)), make([]any, len(columns))
	for i := range values {
		pointers[i] = &values[i]
	}
	var list []string
	for answer.Next() {
		if err := answer.Scan(pointers...); err != nil {
			return "", err
		}
		list = append(list, strings.Join(values, "/"))
	}
	return strings.Join(list, " "), answer.Err()
}
