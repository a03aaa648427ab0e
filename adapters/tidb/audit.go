package tidb

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"helfy/app/projection"
	"helfy/app/query"
	"helfy/domain"
)

// AuditLog implements query.AuditLog: the live generation of the audit
// projection. It is safe for concurrent use.
type AuditLog struct {
	db     querier
	topics [2]string
	// generation is the one that is read, 0 for the live one.
	generation int
}

var _ query.AuditLog = AuditLog{}

// NewAuditLog returns the audit projection in db, which is fed by two topics.
func NewAuditLog(db *sql.DB, changesTopic, eventsTopic string) AuditLog {
	return AuditLog{db: db, topics: [2]string{changesTopic, eventsTopic}}
}

// Of returns another generation of the log, whether it is live or not.
func (a AuditLog) Of(generation int) AuditLog {
	a.generation = generation
	return a
}

// number returns the SQL of the generation's number and its argument.
func (a AuditLog) number() (string, any) {
	if a.generation != 0 {
		return "?", a.generation
	}
	return liveGeneration, projection.AuditName
}

// Entries implements query.AuditLog.
func (a AuditLog) Entries(
	ctx context.Context, filter query.AuditFilter, before *query.AuditPosition, limit int,
) ([]domain.AuditEntry, error) {
	if filter.ChoosesNothing() { // which only a look at all of them would show
		return []domain.AuditEntry{}, nil
	}
	return a.sorted(ctx, conditions(filter), newestFirst, before, limit)
}

// Transaction implements query.AuditLog.
func (a AuditLog) Transaction(ctx context.Context, commitTs uint64, limit int) ([]domain.AuditEntry, error) {
	return a.sorted(ctx, []condition{{text: "a.commit_ts = ?", args: []any{commitTs}, bounds: true}}, newestFirst, nil, limit)
}

// conditions returns the SQL of a filter.
func conditions(filter query.AuditFilter) (all []condition) {
	add := func(wanted bool, c condition, args ...any) {
		if wanted {
			c.args = args
			all = append(all, c)
		}
	}
	// What is likely to leave the fewest entries comes first.
	add(filter.UserID != 0, condition{text: "a.user_id = ?", index: "audit_user_id"}, filter.UserID)
	add(filter.Username != "", condition{text: "a.username = ?", index: "audit_username"}, filter.Username)
	add(filter.IP != "", condition{text: "a.ip = ?", index: "audit_ip"}, filter.IP)
	add(filter.EventType != "", condition{text: "a.event_type = ?", index: "audit_event_type"}, filter.EventType)
	add(filter.Operation != "", condition{text: "a.operation = ?", index: "audit_operation"}, filter.Operation)
	add(filter.Table != "", condition{text: "a.table_name = ?", index: tableIndex}, filter.Table)
	add(filter.Source != "", condition{text: "a.source = ?", index: "audit_source"}, filter.Source)
	add(!filter.From.IsZero(), condition{text: "a.commit_ts >= ?", bounds: true}, domain.TSOOfTime(filter.From))
	add(!filter.To.IsZero(), condition{text: "a.commit_ts < ?", bounds: true}, domain.TSOOfTime(filter.To))
	// In a form that no index serves: it must not be chosen for this.
	add(!filter.Reads && filter.EventType == "", condition{text: "NOT a.event_type <=> ?"}, domain.AuditRead)
	types := make([]any, len(filter.EventTypes))
	for i, eventType := range filter.EventTypes {
		types[i] = eventType
	}
	add(len(types) > 0, condition{text: "a.event_type IN " + tuples(1, len(types))}, types...)
	return all
}

// entryColumns are what readEntries reads of projection_audit_entries a.
const entryColumns = `a.commit_ts, a.table_name, a.row_key, a.source, a.event_type, a.user_id, a.username, a.ip, a.seq, a.ddl_type,
	a.old_row, a.new_row, a.topic, a.kafka_partition, a.kafka_offset, a.kafka_at, a.projected_at`

// querier is a *sql.DB or a *sql.Tx.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

func readEntries(ctx context.Context, from querier, query string, args ...any) ([]domain.AuditEntry, error) {
	rows, err := from.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("read audit entries: %w", err)
	}
	defer rows.Close()
	entries := []domain.AuditEntry{}
	for rows.Next() {
		entry, err := scanEntry(rows)
		if err != nil {
			return nil, fmt.Errorf("read audit entry: %w", err)
		}
		entries = append(entries, entry)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read audit entries: %w", err)
	}
	return entries, nil
}

func scanEntry(rows *sql.Rows) (domain.AuditEntry, error) {
	var (
		entry                        domain.AuditEntry
		eventType, username, ip, ddl sql.NullString
		userID                       sql.NullInt64
		seq                          sql.Null[uint64]
		oldRow, newRow               []byte
		inKafka, projected           sql.NullTime
	)
	err := rows.Scan(&entry.CommitTs, &entry.Table, &entry.RowKey, &entry.Source, &eventType, &userID, &username, &ip, &seq, &ddl,
		&oldRow, &newRow, &entry.Topic, &entry.Partition, &entry.Offset, &inKafka, &projected)
	entry.EventType = domain.EventType(eventType.String)
	entry.UserID = domain.UserID(userID.Int64)
	entry.Username, entry.IP, entry.DDLType = username.String, ip.String, ddl.String
	entry.Seq = seq.V
	entry.Old, entry.New = json.RawMessage(oldRow), json.RawMessage(newRow)
	entry.InKafkaAt, entry.ProjectedAt = inKafka.Time, projected.Time
	return entry, err
}

// CompleteThrough implements query.AuditLog.
func (a AuditLog) CompleteThrough(ctx context.Context) (uint64, error) {
	return a.completeThrough(ctx, a.db)
}

// OpenDeadLetters implements query.AuditLog.
func (a AuditLog) OpenDeadLetters(ctx context.Context) (int64, error) {
	return NewDeadLetters(a.db).openOf(ctx, projection.AuditName)
}

func (a AuditLog) completeThrough(ctx context.Context, from querier) (uint64, error) {
	number, of := a.number()
	return completeThrough(ctx, from, projection.AuditName, number, of)
}

// insertAuditEntries writes entries, each of them once: a repeat changes
// nothing, and the other half of a split UPDATE fills what is missing. The
// result is the same in whichever order the halves come, except for the
// coordinates, which stay those of the first.
func insertAuditEntries(ctx context.Context, tx *sql.Tx, generation int, entries []domain.AuditEntry) error {
	now := time.Now().UTC()
	for some := range slices.Chunk(entries, maxInsert) {
		if err := insertSomeEntries(ctx, tx, generation, some, now); err != nil {
			return err
		}
	}
	return nil
}

// maxInsert is how many entries one statement inserts: enough that more of them
// make it no faster, and few enough that its text and its answer's time stay
// small.
const maxInsert = 256

func insertSomeEntries(ctx context.Context, tx *sql.Tx, generation int, entries []domain.AuditEntry, now time.Time) error {
	const columns = 18
	args := make([]any, 0, columns*len(entries))
	for _, e := range entries {
		args = append(args, generation, e.CommitTs, e.Table, e.RowKey, e.Source, nullText(string(e.EventType)),
			nullNumber(e.UserID), nullText(e.Username), nullText(e.IP),
			nullNumber(e.Seq), nullText(e.DDLType),
			nullText(string(e.Old)), nullText(string(e.New)), e.Topic, e.Partition, e.Offset, nullTime(e.InKafkaAt), now)
	}
	_, err := tx.ExecContext(ctx, `
		INSERT INTO projection_audit_entries (generation, commit_ts, table_name, row_key, source, event_type, user_id, username, ip, seq,
		       ddl_type, old_row, new_row, topic, kafka_partition, kafka_offset, kafka_at, projected_at)
		VALUES `+tuples(len(entries), columns)+`
		ON DUPLICATE KEY UPDATE
			username = IF(new_row IS NULL, COALESCE(VALUES(username), username), username),
			seq      = IF(new_row IS NULL, COALESCE(VALUES(seq), seq), seq),
			old_row  = COALESCE(old_row, VALUES(old_row)),
			new_row  = COALESCE(new_row, VALUES(new_row))`, args...)
	if err != nil {
		return fmt.Errorf("write audit entries: %w", err)
	}
	return nil
}

// nullNumber returns NULL for 0. It is no sql.Null, which refuses a uint64
// with its high bit set.
func nullNumber[T ~int64 | ~uint64](number T) any {
	if number == 0 {
		return nil
	}
	return number
}

func nullText(text string) sql.NullString { return sql.NullString{String: text, Valid: text != ""} }
