package projection

import (
	"encoding/json"
	"testing"
	"unicode/utf8"

	"helfy/canaljson"
	"helfy/domain"
)

// Whatever comes from Kafka becomes entries that the table can hold, or an
// error.
func FuzzProjectAudit(f *testing.F) {
	for _, message := range []canaljson.Message{usersInsert(), outboxInsert(), &canaljson.DDL{
		Database: "helfy", Table: "users", Type: "TRUNCATE", Query: "TRUNCATE TABLE users", CommitTs: 1,
	}} {
		if change, ok := message.(*canaljson.Change); ok {
			for _, cell := range change.New {
				change.Columns = append(change.Columns, canaljson.Column{Name: cell.Name, SQLType: 12, MySQLType: "varchar"})
			}
		}
		value, err := canaljson.Encode(message)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(value)
	}
	f.Fuzz(func(t *testing.T, value []byte) {
		message, err := canaljson.Decode(value)
		if err != nil {
			return
		}
		entries, err := Audit{Database: "helfy"}.Project(Record{Topic: "t"}, message)
		if err != nil && len(entries) != 0 {
			t.Errorf("an error and entries: %v", err)
		}
		for _, entry := range entries {
			requireStorable(t, entry)
		}
	})
}

func requireStorable(t *testing.T, entry domain.AuditEntry) {
	t.Helper()
	for _, bound := range []struct {
		text  string
		limit int
	}{
		{entry.RowKey, maxRowKey}, {entry.Username, domain.MaxUsername}, {string(entry.EventType), maxEventType},
		{entry.IP, maxIP}, {entry.Table, maxTable}, {entry.DDLType, maxDDLType},
	} {
		if utf8.RuneCountInString(bound.text) > bound.limit || !utf8.ValidString(bound.text) {
			t.Errorf("%q does not fit in %d characters", bound.text, bound.limit)
		}
	}
	for _, row := range []json.RawMessage{entry.Old, entry.New} {
		if row != nil && !json.Valid(row) {
			t.Errorf("row is not JSON: %s", row)
		}
	}
	if entry.CommitTs == 0 {
		t.Error("no commitTs")
	}
}

// Whatever comes from Kafka becomes events that the tables of notifications
// can hold, or an error.
func FuzzProjectNotables(f *testing.F) {
	seed := outboxInsert()
	for _, cell := range seed.New {
		seed.Columns = append(seed.Columns, canaljson.Column{Name: cell.Name, SQLType: 12, MySQLType: "varchar"})
	}
	value, err := canaljson.Encode(seed)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(value)
	f.Fuzz(func(t *testing.T, value []byte) {
		message, err := canaljson.Decode(value)
		if err != nil {
			return
		}
		rows, err := Notables{}.Project(Record{Topic: "t"}, message)
		if err != nil && len(rows) != 0 {
			t.Errorf("an error and events: %v", err)
		}
		for _, row := range rows {
			if len(row.EventID) > 4*maxEventID || utf8.RuneCountInString(row.Username) > domain.MaxUsername || len(row.Device) > 64 ||
				utf8.RuneCountInString(row.IP) > maxIP || row.CommitTs == 0 {
				t.Errorf("got %+v", row)
			}
		}
	})
}
