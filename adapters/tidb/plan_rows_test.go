package tidb_test

import (
	"database/sql"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"helfy/adapters/tidb"
	"helfy/app/query"
	"helfy/internal/stack"
)

// A page of a long log must not cost more than one of a short log, so what is
// read of it is bounded by the page.
func TestAPageReadsABoundedNumberOfEntries(t *testing.T) {
	const page, bound = 51, 2000
	config := stack.New(t)
	db := stack.DB(t, config)
	from, to := fillLog(t, db)
	to, length := lengthen(t, db, from, to, 100_000)
	t.Logf("%d entries", length)
	for name, filter := range filtersOf(from, to) {
		for place, before := range map[string]*query.AuditPosition{"first page": nil, "deep page": middleOf(from, to)} {
			t.Run(name+"/"+place, func(t *testing.T) {
				asked := &recorder{DB: db}
				found, err := tidb.NewAuditLog(db, topic, other).Asking(asked).Entries(t.Context(), filter, before, page)
				if err != nil {
					t.Fatal(err)
				}
				read, plans := 0, ""
				for _, s := range asked.statements {
					rows, plan := rowsRead(t, db, s)
					read, plans = read+rows, plans+plan
				}
				t.Logf("%d found, %d read in %d statements", len(found), read, len(asked.statements))
				if read > bound {
					t.Errorf("%d entries read for a page of %d:\n%s", read, len(found), plans)
				}
			})
		}
	}
}

// lengthen makes the log of fillLog longer by repeating it at later times,
// until it has a number of entries. It returns the last commitTs and how many
// there are.
func lengthen(t *testing.T, db *sql.DB, first, last uint64, entries int) (uint64, int) {
	t.Helper()
	exec := func(statement string, args ...any) int {
		result, err := db.ExecContext(t.Context(), statement, args...)
		if err != nil {
			t.Fatal(err)
		}
		rows, err := result.RowsAffected()
		if err != nil {
			t.Fatal(err)
		}
		return int(rows)
	}
	columns := `table_name, row_key, source, event_type, user_id, username, ip, seq, ddl_type, old_row, new_row,
		topic, kafka_partition, kafka_offset, kafka_at, projected_at`
	length := 0
	if err := db.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM projection_audit_entries").Scan(&length); err != nil {
		t.Fatal(err)
	}
	// A part at a time, so that each statement is answered in time.
	for part := last - first + 1<<18; length < entries; {
		span := last - first + 1<<18
		length += exec(`
			INSERT INTO projection_audit_entries (generation, commit_ts, `+columns+`)
			SELECT generation, commit_ts + ?, `+columns+` FROM projection_audit_entries WHERE commit_ts < ?`, span, first+part)
		last += part
	}
	exec("ANALYZE TABLE projection_audit_entries")
	return last, length
}

// rowsRead runs a statement and returns the greatest number of entries (a)
// that an operator has read, and the plan.
func rowsRead(t *testing.T, db *sql.DB, s statement) (most int, plan string) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), "EXPLAIN ANALYZE "+s.text, s.args...)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var text strings.Builder
	fmt.Fprintln(&text, s.text, s.args)
	for rows.Next() {
		var operator, estimated, actual, task, object, execution, info, memory, disk string
		if err := rows.Scan(&operator, &estimated, &actual, &task, &object, &execution, &info, &memory, &disk); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintln(&text, operator, estimated, actual, task, object, info, execution)
		if object == "table:a" || strings.HasPrefix(object, "table:a,") {
			count, err := strconv.Atoi(actual)
			if err != nil {
				t.Fatal(err)
			}
			most = max(most, count)
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return most, text.String()
}
