// Package row holds changed rows in the form that changefeeds work on:
// decoded, with the table's definition, before filtering and encoding.
package row

import "slices"

// Table is a table's definition at one point of its history.
type Table struct {
	Schema  string
	Name    string
	Columns []Column
	// Indexes holds the indexes by name.
	Indexes map[string]Index
	// Eligible is false for a table without a key that tells its rows apart.
	Eligible bool
}

// Index is an index's columns, as offsets in Columns; -1 for one not fed.
type Index struct {
	Unique  bool
	Offsets []int
}

// Offset finds a column by its name, as written; -1 when there is none.
func (t *Table) Offset(name string) int {
	return slices.IndexFunc(t.Columns, func(c Column) bool { return c.Name == name })
}

// Column is one column that is fed: every one but the virtual generated.
type Column struct {
	Name string
	// SQLType is the java.sql.Types code of small values, see SQLTypeOf.
	SQLType  int
	Unsigned bool
	// Type is the MySQL type's name, FullType with length and attributes.
	Type     string
	FullType string
	Binary   bool
	Primary  bool
	// Unique says that the column belongs to a unique index.
	Unique bool
	// Handle says that the column belongs to the key by which rows are told
	// apart: the primary key, or else the shortest unique one without NULLs.
	Handle bool
}

// Value is one cell. Raw is the text of the value, the bytes as they are for
// a binary column, and "null" for NULL: what partitions are computed from.
type Value struct {
	Raw  string
	Null bool
}

// Event is one changed row. Old and New follow Table.Columns; Old is nil for
// an insert, New for a delete.
type Event struct {
	Table    *Table
	StartTs  uint64
	CommitTs uint64
	Old      []Value
	New      []Value
}

// Row returns New, or Old for a delete.
func (e *Event) Row() []Value {
	if e.New == nil {
		return e.Old
	}
	return e.New
}

// ChangesKey reports whether an update changes a primary or unique key.
func (e *Event) ChangesKey() bool {
	if e.Old == nil || e.New == nil {
		return false
	}
	for i, c := range e.Table.Columns {
		if (c.Unique || c.Handle) && e.Old[i] != e.New[i] {
			return true
		}
	}
	return false
}
