package tidb_test

import (
	"fmt"
	"strings"
	"testing"
)

// A large transaction that was acknowledged is whole after kill -9, in the
// database and in Kafka.
func TestALargeTransactionSurvivesAKillWhole(t *testing.T) {
	const rounds, rows, partitions = 4, 5000, 2
	kafka := newKafka(t, partitions, "large")
	s := newServer(t)
	db := open(t, s.sqlPort)
	mustExec(t, db, "CREATE DATABASE large")
	mustExec(t, db, "CREATE TABLE large.t (round BIGINT, n BIGINT, PRIMARY KEY (round, n))")
	s.api.create(t, map[string]any{
		"changefeed_id": "large", "sink_uri": sinkURI(kafka, "large", "enable-tidb-extension=true"),
		"replica_config": map[string]any{"filter": map[string]any{"rules": []string{"large.*"}}},
	})
	for round := range rounds {
		values := make([]string, rows)
		for n := range values {
			values[n] = fmt.Sprintf("(%d,%d)", round, n)
		}
		mustExec(t, db, "INSERT INTO large.t VALUES "+strings.Join(values, ","))
		s.kill()
		s.start(t)
		eventually(t, "connect after the restart", func() error { return db.PingContext(t.Context()) })
	}
	var stored int
	if err := db.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM large.t").Scan(&stored); err != nil {
		t.Fatal(err)
	}
	if stored != rounds*rows {
		t.Errorf("the database has %d rows, want %d", stored, rounds*rows)
	}
	type key struct{ round, n int64 }
	sent := map[key]bool{}
	for _, r := range consume(t, kafka, "large").upTo(t, partitions, now(t, db)) {
		c := change(t, r)
		sent[key{number(t, c.New, "round"), number(t, c.New, "n")}] = true
	}
	if len(sent) != rounds*rows {
		t.Errorf("Kafka has %d rows, want %d", len(sent), rounds*rows)
	}
}
