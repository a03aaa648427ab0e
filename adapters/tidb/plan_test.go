package tidb_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"helfy/adapters/tidb"
	"helfy/app/projection"
	"helfy/app/query"
	"helfy/domain"
	"helfy/internal/stack"
)

// TestEveryFilterOfTheLogIsServedByAnIndex reads the plans of TiDB. A page must
// come out of an index in the log's order: neither the whole log may be read
// for it, nor what was chosen be sorted.
func TestEveryFilterOfTheLogIsServedByAnIndex(t *testing.T) {
	config := stack.New(t)
	db := stack.DB(t, config)
	from, to := fillLog(t, db)
	for name, filter := range filtersOf(from, to) {
		for page, before := range map[string]*query.AuditPosition{"first page": nil, "deep page": middleOf(from, to)} {
			t.Run(name+"/"+page, func(t *testing.T) {
				asked := &recorder{DB: db}
				if _, err := tidb.NewAuditLog(db, topic, other).Asking(asked).Entries(t.Context(), filter, before, 51); err != nil {
					t.Fatal(err)
				}
				asked.requireOrderedRanges(t)
			})
		}
	}
}

// filtersOf returns every filter of the log of fillLog, and those that go
// together in different ways.
func filtersOf(from, to uint64) map[string]query.AuditFilter {
	return map[string]query.AuditFilter{
		"none":                  {},
		"reads":                 {Reads: true},
		"userId":                {UserID: 7},
		"user":                  {Username: "user-7"},
		"eventType":             {EventType: domain.LoginSuccess},
		"operation":             {Operation: "UPDATE"},
		"table":                 {Table: "users"},
		"source":                {Source: domain.SourceEvent},
		"ip":                    {IP: "192.0.2.7"},
		"from":                  {From: domain.TimeOfTSO(from + 100<<18)},
		"to":                    {To: domain.TimeOfTSO(to - 100<<18)},
		"from and to":           {From: domain.TimeOfTSO(from), To: domain.TimeOfTSO(to)},
		"user and source":       {Username: "user-7", Source: domain.SourceEvent},
		"userId and eventType":  {UserID: 7, EventType: domain.LoginSuccess},
		"ip and a rare type":    {IP: "192.0.2.7", EventType: domain.UserCreated},
		"source and table":      {Source: domain.SourceChange, Table: "users"},
		"operation and table":   {Operation: "UPDATE", Table: "users"},
		"source and a rare one": {Source: domain.SourceChange, Operation: "INSERT"},
		"eventType and from":    {EventType: domain.LoginSuccess, From: domain.TimeOfTSO(from)},
		"table and to":          {Table: "users", To: domain.TimeOfTSO(to)},
		"all that go together": {
			UserID: 7, Username: "user-7", EventType: domain.LoginSuccess, Table: "outbox", Source: domain.SourceEvent, IP: "192.0.2.7",
			From: domain.TimeOfTSO(from), To: domain.TimeOfTSO(to),
		},
	}
}

func middleOf(from, to uint64) *query.AuditPosition {
	return &query.AuditPosition{CommitTs: from + (to-from)/2, Table: "users", RowKey: "7"}
}

func TestATransactionIsFoundByItsKey(t *testing.T) {
	config := stack.New(t)
	db := stack.DB(t, config)
	from, _ := fillLog(t, db)
	asked := &recorder{DB: db}
	if _, err := tidb.NewAuditLog(db, topic, other).Asking(asked).Transaction(t.Context(), from, 500); err != nil {
		t.Fatal(err)
	}
	asked.requireOrderedRanges(t)
}

func TestAWalkThroughTheLogReadsItInOrder(t *testing.T) {
	config := stack.New(t)
	db := stack.DB(t, config)
	_, last := fillLog(t, db)
	for name, users := range map[string][]domain.UserID{"all": nil, "one user": {7}, "two users": {7, 8}} {
		t.Run(name, func(t *testing.T) {
			asked := &recorder{DB: db}
			err := tidb.NewAuditLog(db, topic, other).Asking(asked).InOrder(t.Context(), users, last, nil, func([]domain.AuditEntry) error { return nil })
			if err != nil {
				t.Fatal(err)
			}
			asked.requireOrderedRanges(t)
		})
	}
}

// recorder keeps the statements about entries that it passes on.
type recorder struct {
	*sql.DB
	statements []statement
}

type statement struct {
	text string
	args []any
}

func (r *recorder) QueryContext(ctx context.Context, text string, args ...any) (*sql.Rows, error) {
	r.statements = append(r.statements, statement{text, args})
	return r.DB.QueryContext(ctx, text, args...)
}

func (r *recorder) QueryRowContext(ctx context.Context, text string, args ...any) *sql.Row {
	r.statements = append(r.statements, statement{text, args})
	return r.DB.QueryRowContext(ctx, text, args...)
}

func (r *recorder) requireOrderedRanges(t *testing.T) {
	t.Helper()
	if len(r.statements) == 0 {
		t.Error("nothing was asked")
	}
	for _, s := range r.statements {
		requireOrderedRange(t, r.DB, s.text, s.args)
	}
}

// requireOrderedRange fails the test unless the entries (a) are read from a
// range, in order.
func requireOrderedRange(t *testing.T, db *sql.DB, statement string, args []any) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), "EXPLAIN FORMAT = 'brief' "+statement, args...)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var plan strings.Builder
	ordered := false
	for rows.Next() {
		var operator, count, task, object, info string
		if err := rows.Scan(&operator, &count, &task, &object, &info); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintln(&plan, operator, task, object, info)
		of := object == "table:a" || strings.HasPrefix(object, "table:a,")
		switch {
		case of && strings.Contains(operator, "FullScan"):
			t.Errorf("%s of the log", operator)
		case strings.Contains(operator, "Sort"), strings.Contains(operator, "TopN"):
			t.Errorf("%s", operator)
		case of && strings.Contains(operator, "RangeScan") && strings.Contains(info, "keep order:true"):
			ordered = true
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	if !ordered {
		t.Error("the entries are not read from a range in order")
	}
	if t.Failed() {
		t.Logf("%s\n%s", statement, plan.String())
	}
}

// fillLog writes a log of a thousand logins of fifty users, lets TiDB look at
// it, and returns its first and last commitTs.
func fillLog(t *testing.T, db *sql.DB) (first, last uint64) {
	t.Helper()
	store := tidb.NewAuditStore(db)
	partition := projection.Partition{Topic: topic, TopicID: "id", End: 1000}
	if _, err := store.Open(t.Context(), []projection.Partition{partition}); err != nil {
		t.Fatal(err)
	}
	const start, logins = uint64(470_000_000_000_000_000), 1000
	var items []item
	for i := range uint64(logins) {
		ts, user := start+i<<18, i%50
		event := domain.AuditEntry{
			CommitTs: ts, Table: "outbox", RowKey: fmt.Sprint("event-", i), Source: domain.SourceEvent, EventType: domain.LoginSuccess,
			UserID: domain.UserID(user), Username: fmt.Sprint("user-", user), IP: fmt.Sprint("192.0.2.", user), New: json.RawMessage(`{}`),
		}
		if i%10 == 0 {
			event.EventType = domain.LoginFailure
		}
		change := event
		change.Table, change.RowKey, change.Source, change.EventType, change.IP = "users", fmt.Sprint(user), domain.SourceChange, "", ""
		if i%20 != 0 {
			change.Old = json.RawMessage(`{}`)
		}
		items = append(items, item{
			Record: projection.Record{Topic: topic, Offset: int64(i)}, Rows: []domain.AuditEntry{event, change},
		})
	}
	for batch := range slices.Chunk(items, 250) {
		flush(t, store, batch...)
	}
	if _, err := db.ExecContext(t.Context(), "ANALYZE TABLE projection_audit_entries"); err != nil {
		t.Fatal(err)
	}
	return start, start + (logins-1)<<18
}
