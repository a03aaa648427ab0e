package tidb

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"helfy/app/projection"
)

// Layout says where a projection is kept.
type Layout struct {
	Name string
	// Tables have the rows that the topics determine. Each has a column
	// generation, and so have those of Derived, which are not compared, and
	// whose rows are removed first, in their order.
	Tables  []Table
	Derived []string
	// Through returns the TSO up to which a generation's rows can be compared
	// where a table has a TSO; nil means the least watermark.
	Through func(ctx context.Context, from querier, generation int) (uint64, error)
}

// whole reports whether a table is compared whole.
func (l Layout) whole() bool {
	return slices.ContainsFunc(l.Tables, func(t Table) bool { return !t.HasTSO })
}

// names returns the names of all tables.
func (l Layout) names() []string {
	names := slices.Clone(l.Derived)
	for _, table := range l.Tables {
		names = append(names, table.Name)
	}
	return names
}

// Table is one of the tables of a projection. It has a column generation.
type Table struct {
	Name string
	// Key are the columns that identify a row of a generation, in the order
	// of the primary key.
	Key []Column
	// Content are the columns that the topics alone determine.
	Content []string
	// HasTSO says that the key begins with the TSO that a row belongs to. Such
	// a table is compared up to a watermark; another one, like that of a
	// counter, whole, at a moment when both generations have read the same.
	HasTSO bool
	// where is a condition of the rows, with its arguments; empty for all.
	where string
	args  []any
}

// Column is a column of a key.
type Column struct {
	Name string
	// Number says that it is an integer; other columns are text of a binary
	// collation.
	Number bool
}

func (t Table) keyNames() []string {
	names := make([]string, len(t.Key))
	for i, column := range t.Key {
		names[i] = column.Name
	}
	return names
}

// scanPage is how many rows are read at a time.
const scanPage = 5000

// removePage is how many are removed in one transaction.
const removePage = 2000

// storedRow is a row as it is read: key and content.
type storedRow [][]byte

// page returns the rows behind one, or, if that is nil, the first ones. Those
// of a table with a TSO go no further than through.
func (t Table) page(ctx context.Context, from querier, generation int, through uint64, after storedRow) ([]storedRow, error) {
	key := strings.Join(t.keyNames(), ", ")
	where, args := []string{"generation = ?"}, []any{generation}
	if t.HasTSO {
		where, args = append(where, t.Key[0].Name+" <= ?"), append(args, through)
	}
	if t.where != "" {
		where, args = append(where, t.where), append(args, t.args...)
	}
	if after != nil {
		position, err := t.position(after)
		if err != nil {
			return nil, err
		}
		where, args = append(where, "("+key+") > "+tuples(1, len(t.Key))), append(args, position...)
	}
	columns := slices.Concat(t.keyNames(), t.Content)
	rows, err := from.QueryContext(ctx, "SELECT "+strings.Join(columns, ", ")+" FROM "+t.Name+
		" WHERE "+strings.Join(where, " AND ")+" ORDER BY "+key+" LIMIT ?", append(args, scanPage)...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	page := make([]storedRow, 0, scanPage)
	for rows.Next() {
		row := make(storedRow, len(columns))
		targets := make([]any, len(columns))
		for i := range row {
			targets[i] = &row[i]
		}
		if err := rows.Scan(targets...); err != nil {
			return nil, err
		}
		page = append(page, row)
	}
	return page, rows.Err()
}

// position returns a row's key as arguments of a query.
func (t Table) position(row storedRow) ([]any, error) {
	position := make([]any, len(t.Key))
	for i, column := range t.Key {
		text := string(row[i])
		var err error
		switch {
		case !column.Number:
			position[i] = text
		case strings.HasPrefix(text, "-"):
			position[i], err = strconv.ParseInt(text, 10, 64)
		default:
			position[i], err = strconv.ParseUint(text, 10, 64)
		}
		if err != nil {
			return nil, fmt.Errorf("column %s: %w", column.Name, err)
		}
	}
	return position, nil
}

// compareKeys orders rows as the database does; none comes last.
func (t Table) compareKeys(one, other storedRow) int {
	switch {
	case other == nil:
		return -1
	case one == nil:
		return 1
	}
	for i, column := range t.Key {
		compare := bytes.Compare
		if column.Number {
			compare = compareNumbers
		}
		if order := compare(one[i], other[i]); order != 0 {
			return order
		}
	}
	return 0
}

// compareNumbers orders integers in decimal, without leading zeros.
func compareNumbers(one, other []byte) int {
	negative := bytes.HasPrefix(one, []byte("-"))
	switch {
	case negative != bytes.HasPrefix(other, []byte("-")):
		if negative {
			return -1
		}
		return 1
	case negative:
		one, other = other[1:], one[1:]
	}
	if len(one) != len(other) { // the longer one is the greater
		return len(one) - len(other)
	}
	return bytes.Compare(one, other)
}

// digest sums up the rows of a generation.
func (t Table) digest(ctx context.Context, from querier, generation int, through uint64, sum *projection.Sum) error {
	rows := cursor{table: t, from: from, generation: generation, through: through}
	for {
		if err := rows.advance(ctx); err != nil || rows.row == nil {
			return err
		}
		sum.Add(append([][]byte{[]byte(t.Name)}, rows.row...)...)
	}
}

// removeGeneration removes the rows of a generation from a table, some at a
// time.
func removeGeneration(ctx context.Context, db *sql.DB, table string, generation int) error {
	for {
		result, err := db.ExecContext(ctx, "DELETE FROM "+table+" WHERE generation = ? LIMIT ?", generation, removePage)
		if err != nil {
			return fmt.Errorf("remove generation %d from %s: %w", generation, table, err)
		}
		if removed, err := result.RowsAffected(); err != nil || removed < removePage {
			return err
		}
	}
}
