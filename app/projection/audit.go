package projection

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"helfy/canaljson"
	"helfy/domain"
)

// AuditName is the name of the audit projection.
const AuditName = "audit"

// The fed tables.
const (
	usersTable  = "users"
	outboxTable = "outbox"
)

var errNoCommitTs = errors.New("no _tidb.commitTs: the changefeed must enable the TiDB extension")

// The greatest lengths that an entry's members may have, in characters. An
// outbox row written by hand can say anything.
const (
	maxRowKey    = 255
	maxEventType = 64
	maxIP        = 45
	maxTable     = 64
	maxDDLType   = 16
)

// Audit makes one audit entry of each change of a users row, of each event in
// the outbox and of each schema change. Database is the name of the database
// that is fed.
type Audit struct{ Database string }

// Project implements Projection. Changes of outbox rows other than their
// INSERT stand for no entry: TiDB's TTL deletes them.
func (a Audit) Project(record Record, message canaljson.Message) ([]domain.AuditEntry, error) {
	switch m := message.(type) {
	case *canaljson.Change:
		return a.projectChange(record, m)
	case *canaljson.DDL:
		return projectDDL(record, m)
	default:
		return nil, nil
	}
}

func (a Audit) projectChange(record Record, change *canaljson.Change) ([]domain.AuditEntry, error) {
	if err := requireFed(change, a.Database); err != nil {
		return nil, err
	}
	entry, err := newEntry(record, change)
	if err != nil {
		return nil, err
	}
	switch {
	case change.Table == usersTable:
		err = describeUser(&entry, change)
	case change.Table == outboxTable && change.Operation != canaljson.Insert:
		return nil, nil
	case change.Table == outboxTable:
		err = describeEvent(&entry, change)
	default:
		return nil, fmt.Errorf("table %q is not a fed one", change.Table)
	}
	if err != nil {
		return nil, err
	}
	return []domain.AuditEntry{entry}, nil
}

// requireFed refuses a change that the changefeed cannot have sent as it is
// configured.
func requireFed(change *canaljson.Change, database string) error {
	switch {
	case change.CommitTs == 0:
		return errNoCommitTs
	case !strings.EqualFold(change.Database, database):
		return fmt.Errorf("database %q is not the fed one, %q", change.Database, database)
	}
	return nil
}

// newEntry fills what every entry has.
func newEntry(record Record, change *canaljson.Change) (domain.AuditEntry, error) {
	key, err := rowKey(change)
	if err != nil {
		return domain.AuditEntry{}, err
	}
	before, err := cells(change.Old)
	if err != nil {
		return domain.AuditEntry{}, err
	}
	after, err := cells(change.New)
	if err != nil {
		return domain.AuditEntry{}, err
	}
	return domain.AuditEntry{
		CommitTs: change.CommitTs, Table: change.Table, RowKey: key, Source: domain.SourceChange,
		Old: before, New: after,
		Topic: record.Topic, Partition: record.Partition, Offset: record.Offset, InKafkaAt: record.At,
	}, nil
}

// projectDDL makes an entry of any schema change that the changefeed lets
// through: its filter has chosen, and a renamed table has another name.
func projectDDL(record Record, ddl *canaljson.DDL) ([]domain.AuditEntry, error) {
	if ddl.CommitTs == 0 {
		return nil, errNoCommitTs
	}
	if len(ddl.Table) > maxTable || len(ddl.Type) > maxDDLType {
		return nil, fmt.Errorf("table or type of a schema change is too long: %d and %d bytes", len(ddl.Table), len(ddl.Type))
	}
	statement, err := canaljson.Row{{Name: "query", Text: ddl.Query}}.MarshalJSON()
	if err != nil {
		return nil, err
	}
	return []domain.AuditEntry{{
		CommitTs: ddl.CommitTs, Table: ddl.Table, Source: domain.SourceChange, DDLType: ddl.Type, New: statement,
		Topic: record.Topic, Partition: record.Partition, Offset: record.Offset, InKafkaAt: record.At,
	}}, nil
}

func rowKey(change *canaljson.Change) (string, error) {
	key := change.Key()
	if len(key) == 0 || len(key) != len(change.PrimaryKey) {
		return "", fmt.Errorf("primary key %q is not in the row", change.PrimaryKey)
	}
	parts := make([]string, len(key))
	for i, cell := range key {
		parts[i] = cell.Text
	}
	text := strings.Join(parts, ",")
	if utf8.RuneCountInString(text) > maxRowKey {
		return "", fmt.Errorf("primary key is longer than %d characters", maxRowKey)
	}
	return text, nil
}

func describeUser(entry *domain.AuditEntry, change *canaljson.Change) error {
	row := reader{row: change.Row()}
	entry.UserID = domain.UserID(row.integer("id"))
	entry.Username = row.bounded("username", domain.MaxUsername, row.text("username"))
	entry.Seq = row.unsigned("event_seq")
	return row.err
}

// describeEvent takes the entry's members from the outbox row and its JSON.
func describeEvent(entry *domain.AuditEntry, change *canaljson.Change) error {
	row := reader{row: change.New}
	entry.Source = domain.SourceEvent
	entry.EventType = domain.EventType(row.bounded("type", maxEventType, row.text("type")))
	entry.Seq = row.unsigned("seq")
	switch row.text("aggregatetype") {
	case domain.AggregateUser, domain.AggregateReader, domain.AggregateAdmin:
		entry.UserID = domain.UserID(row.integer("aggregateid"))
	}
	var payload struct {
		Username string `json:"username"`
	}
	row.object("payload", &payload)
	var origin domain.Origin
	row.object("metadata", &origin)
	entry.Username = row.bounded("payload", domain.MaxUsername, payload.Username)
	entry.IP = row.bounded("metadata", maxIP, origin.IP)
	return row.err
}

// reader takes typed values out of a row and keeps the first error.
type reader struct {
	row canaljson.Row
	err error
}

func (r *reader) text(column string) string {
	cell, ok := r.row.Get(column)
	if r.err == nil && (!ok || cell.Null) {
		r.err = fmt.Errorf("column %q is missing or NULL", column)
	}
	return cell.Text
}

// bounded passes a text on that is no longer than an entry can hold.
func (r *reader) bounded(column string, limit int, text string) string {
	if length := utf8.RuneCountInString(text); r.err == nil && length > limit {
		r.err = fmt.Errorf("column %q: a text of %d characters, at most %d can be kept", column, length, limit)
	}
	return text
}

func (r *reader) integer(column string) int64 {
	number, err := strconv.ParseInt(r.text(column), 10, 64)
	r.fail(column, err)
	return number
}

func (r *reader) unsigned(column string) uint64 {
	number, err := strconv.ParseUint(r.text(column), 10, 64)
	r.fail(column, err)
	return number
}

func (r *reader) object(column string, value any) {
	r.fail(column, json.Unmarshal([]byte(r.text(column)), value))
}

func (r *reader) fail(column string, err error) {
	if r.err == nil && err != nil {
		r.err = fmt.Errorf("column %q: %w", column, err)
	}
}

// cells writes a row as JSON, and no row as nil.
func cells(row canaljson.Row) (json.RawMessage, error) {
	if row == nil {
		return nil, nil
	}
	return row.MarshalJSON()
}
