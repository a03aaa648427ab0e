package tidb

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"helfy/app/projection"
)

// Table is one of the tables of a projection. It has a column generation.
type Table struct {
	Name string
	// Key are the columns that identify a row of a generation, in the order
	// of the primary key. The first one is a TSO, the others are text.
	Key []string
	// Content are the columns that the topics alone determine.
	Content []string
}

// AuditTables are those of the audit projection.
var AuditTables = []Table{
	{
		Name:    "projection_audit_entries",
		Key:     []string{"commit_ts", "table_name", "row_key"},
		Content: []string{"source", "event_type", "user_id", "username", "ip", "seq", "ddl_type", "old_row", "new_row"},
	},
	{
		Name:    "projection_audit_findings",
		Key:     []string{"commit_ts", "table_name", "row_key", "kind"},
		Content: []string{"user_id", "username", "detail"},
	},
}

// scanPage is how many rows are read at a time.
const scanPage = 5000

// storedRow is a row as it is read: key and content.
type storedRow struct {
	fields [][]byte
	key    int // how many of the fields are the key
}

// beginning is the position before the first row.
func (t Table) beginning() []any {
	position := []any{uint64(0)}
	for range t.Key[1:] {
		position = append(position, "")
	}
	return position
}

func (t Table) page(ctx context.Context, from querier, generation int, through uint64, after []any) ([]storedRow, error) {
	key, columns := strings.Join(t.Key, ", "), slices.Concat(t.Key, t.Content)
	rows, err := from.QueryContext(ctx, `
		SELECT `+strings.Join(columns, ", ")+` FROM `+t.Name+`
		WHERE generation = ? AND `+t.Key[0]+` <= ? AND (`+key+`) > `+tuples(1, len(t.Key))+`
		ORDER BY `+key+` LIMIT ?`, slices.Concat([]any{generation, through}, after, []any{scanPage})...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	page := make([]storedRow, 0, scanPage)
	for rows.Next() {
		row := storedRow{fields: make([][]byte, len(columns)), key: len(t.Key)}
		targets := make([]any, len(columns))
		for i := range row.fields {
			targets[i] = &row.fields[i]
		}
		if err := rows.Scan(targets...); err != nil {
			return nil, err
		}
		page = append(page, row)
	}
	return page, rows.Err()
}

// position returns the row's key as arguments of a query.
func (r storedRow) position() ([]any, error) {
	tso, err := r.tso()
	if err != nil {
		return nil, err
	}
	position := []any{tso}
	for _, field := range r.fields[1:r.key] {
		position = append(position, string(field))
	}
	return position, nil
}

// digest sums up the rows of a generation up to a watermark.
func (t Table) digest(ctx context.Context, from querier, generation int, through uint64, sum *projection.Sum) error {
	rows := cursor{table: t, from: from, generation: generation, through: through}
	for {
		if err := rows.advance(ctx); err != nil || rows.row == nil {
			return err
		}
		sum.Add(append([][]byte{[]byte(t.Name)}, rows.row.fields...)...)
	}
}

// removeGeneration removes the rows of a generation from a table, some at a
// time.
func removeGeneration(ctx context.Context, db *sql.DB, table string, generation int) error {
	for {
		result, err := db.ExecContext(ctx, "DELETE FROM "+table+" WHERE generation = ? LIMIT ?", generation, scanPage)
		if err != nil {
			return fmt.Errorf("remove generation %d from %s: %w", generation, table, err)
		}
		if removed, err := result.RowsAffected(); err != nil || removed < scanPage {
			return err
		}
	}
}

func (r storedRow) tso() (uint64, error) { return strconv.ParseUint(string(r.fields[0]), 10, 64) }
