package tidb_test

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"helfy/canaljson"
)

// Whenever the server is killed while a schema change runs: TiDB finishes what
// it has begun, and Kafka has exactly the changes that the table has, each with
// one commit TSO, between the right rows.
func TestNoSchemaChangeIsLostByKill(t *testing.T) {
	const rounds = 12
	kafka := newKafka(t, 1, "ddlcrash")
	s := newServer(t)
	db := open(t, s.sqlPort)
	mustExec(t, db, "CREATE DATABASE ddlcrash")
	mustExec(t, db, "CREATE TABLE ddlcrash.t (id INT PRIMARY KEY)")
	s.api.create(t, map[string]any{"changefeed_id": "ddlcrash", "sink_uri": sinkURI(kafka, "ddlcrash", "enable-tidb-extension=true"),
		"replica_config": map[string]any{"filter": map[string]any{"rules": []string{"ddlcrash.*"}}}})
	acknowledged := 0
	for i := range rounds {
		done := make(chan error, 1)
		go func() {
			_, err := db.ExecContext(t.Context(), fmt.Sprintf("ALTER TABLE ddlcrash.t ADD COLUMN c%d INT DEFAULT %d", i, i))
			done <- err
		}()
		time.Sleep(rand.N(40 * time.Millisecond)) // a random moment, not a synchronisation
		s.kill()
		if <-done == nil {
			acknowledged++
		}
		s.start(t)
		eventually(t, "connect after the restart", func() error { return db.PingContext(t.Context()) })
		waitForJobs(t, db)
		mustExec(t, db, "INSERT INTO ddlcrash.t (id) VALUES (?)", i)
	}
	present := columns(t, db, "ddlcrash", "t")
	added, commits := "id", map[string]uint64{}
	for _, r := range consume(t, kafka, "ddlcrash").upTo(t, 1, now(t, db)) {
		switch m := decode(t, r).(type) {
		case *canaljson.DDL:
			column := strings.Fields(m.Query)[5]
			if before := commits[column]; before != 0 && before != m.CommitTs {
				t.Errorf("%s has the commit TSOs %d and %d", column, before, m.CommitTs)
			}
			if commits[column] == 0 {
				added += " " + column
			}
			commits[column] = m.CommitTs
		case *canaljson.Change:
			var cells []string
			for _, cell := range m.Row() {
				cells = append(cells, cell.Name)
			}
			if got := strings.Join(cells, " "); !strings.HasPrefix(added, got) || len(commits) == 0 && got != "id" {
				t.Errorf("a row of %s, after the schema changes that give %s", got, added)
			}
		}
	}
	if added != present {
		t.Errorf("the messages give %s, the table has %s", added, present)
	}
	if got := len(commits); got < acknowledged {
		t.Errorf("%d schema changes, %d were acknowledged", got, acknowledged)
	}
	t.Logf("%d kills: %d schema changes made, %d of them acknowledged", rounds, len(commits), acknowledged)
}

// waitForJobs waits until TiDB has finished the DDL jobs that it found.
func waitForJobs(t *testing.T, db *sql.DB) {
	t.Helper()
	eventually(t, "DDL jobs", func() error {
		var jobs int
		err := db.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM mysql.tidb_ddl_job").Scan(&jobs)
		if err == nil && jobs > 0 {
			err = fmt.Errorf("%d are running", jobs)
		}
		return err
	})
}

func columns(t *testing.T, db *sql.DB, schema, table string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	defer cancel()
	var names string
	err := db.QueryRowContext(ctx, `SELECT GROUP_CONCAT(column_name ORDER BY ordinal_position SEPARATOR ' ')
		FROM information_schema.columns WHERE table_schema = ? AND table_name = ?`, schema, table).Scan(&names)
	if err != nil {
		t.Fatal(err)
	}
	return names
}
