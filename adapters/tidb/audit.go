package tidb

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
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
	where, args := conditions(filter)
	index := indexOf(filter)
	if before != nil {
		where = append(where, "(a.commit_ts, a.table_name, a.row_key) < (?, ?, ?)")
		args = append(args, before.CommitTs, before.Table, before.RowKey)
	}
	return a.sorted(ctx, index, where, args, "DESC", limit)
}

// Transaction implements query.AuditLog.
func (a AuditLog) Transaction(ctx context.Context, commitTs uint64, limit int) ([]domain.AuditEntry, error) {
	return a.sorted(ctx, "PRIMARY", []string{"a.commit_ts = ?"}, []any{commitTs}, "DESC", limit)
}

// conditions returns the SQL of a filter, a condition each, and its
// arguments.
func conditions(filter query.AuditFilter) (where []string, args []any) {
	add := func(wanted bool, condition string, more ...any) {
		if wanted {
			where, args = append(where, condition), append(args, more...)
		}
	}
	// In a form that no index serves: it must not be chosen for this.
	add(!filter.Reads && filter.EventType == "", "NOT a.event_type <=> ?", domain.AuditRead)
	add(filter.UserID != 0, "a.user_id = ?", filter.UserID)
	add(filter.Username != "", "a.username = ?", filter.Username)
	add(filter.EventType != "", "a.event_type = ?", filter.EventType)
	types := make([]any, len(filter.EventTypes))
	for i, eventType := range filter.EventTypes {
		types[i] = eventType
	}
	add(len(types) > 0, "a.event_type IN "+tuples(1, len(types)), types...)
	add(filter.Operation != "", "a.operation = ?", filter.Operation)
	add(filter.Table != "", "a.table_name = ?", filter.Table)
	add(filter.Source != "", "a.source = ?", filter.Source)
	add(filter.IP != "", "a.ip = ?", filter.IP)
	add(!filter.From.IsZero(), "a.commit_ts >= ?", domain.TSOOfTime(filter.From))
	add(!filter.To.IsZero(), "a.commit_ts < ?", domain.TSOOfTime(filter.To))
	return where, args
}

// indexOf returns the index that a page of a filter is read from: of those that
// serve it, the one that is likely to leave the fewest entries. TiDB itself
// would take the whole log and sort it where it believes that to be cheaper,
// and what it believes changes with its statistics.
func indexOf(filter query.AuditFilter) string {
	switch {
	case filter.UserID != 0:
		return "audit_user_id"
	case filter.Username != "":
		return "audit_username"
	case filter.IP != "":
		return "audit_ip"
	case filter.EventType != "":
		return "audit_event_type"
	case filter.Operation != "":
		return "audit_operation"
	case filter.Table != "":
		return tableIndex
	case filter.Source != "":
		return "audit_source"
	}
	return "PRIMARY"
}

// tableIndex is the index that has the table before the commit.
const tableIndex = "audit_table"

// sorted reads entries in the order of their identity, ASC or DESC, out of an
// index that has this order where the conditions hold. A row that only has its
// DELETE half stays hidden until its partition's watermark has passed: the
// other half of a split UPDATE may still come.
func (a AuditLog) sorted(
	ctx context.Context, index string, where []string, args []any, order string, limit int,
) ([]domain.AuditEntry, error) {
	where = append(where, "(a.new_row IS NOT NULL OR a.commit_ts <= p.watermark)")
	columns := []string{"a.commit_ts", "a.table_name", "a.row_key"}
	if index == tableIndex {
		columns = []string{"a.commit_ts", "a.row_key"} // the table is the same, which TiDB does not see
	}
	number, of := a.number()
	args = append([]any{projection.AuditName, of}, args...)
	return readEntries(ctx, a.db, `
		SELECT /*+ ORDER_INDEX(a, `+index+`), INL_JOIN(p) */ `+entryColumns+`
		FROM projection_audit_entries a LEFT JOIN projection_checkpoints p
		  ON p.projection = ? AND p.generation = a.generation AND p.topic = a.topic AND p.kafka_partition = a.kafka_partition
		WHERE a.generation = `+number+` AND `+strings.Join(where, " AND ")+`
		ORDER BY `+strings.Join(columns, " "+order+", ")+" "+order+" LIMIT ?", append(args, limit)...)
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
