package canaljson

import (
	"errors"
	"fmt"
	"math"
)

// checkChange finds what would make the message one that Decode refuses.
func checkChange(c *Change) error {
	row := c.Row()
	switch {
	case c.Database == "" || c.Table == "":
		return errors.New("a change needs a database and a table")
	case c.Operation != Insert && c.Operation != Update && c.Operation != Delete:
		return fmt.Errorf("unknown operation %q", c.Operation)
	case c.Operation == Insert && c.Old != nil:
		return errors.New("an INSERT has no old row")
	case c.Operation == Delete && c.New != nil:
		return errors.New("a DELETE has no new row")
	case c.Operation == Update && c.Old == nil:
		return errors.New("an UPDATE needs an old row")
	case len(c.Columns) == 0 || len(c.Columns) > maxColumns:
		return fmt.Errorf("%d columns, not 1 to %d", len(c.Columns), maxColumns)
	case len(row) != len(c.Columns):
		return fmt.Errorf("%d cells for %d columns", len(row), len(c.Columns))
	}
	if err := checkKey(c.PrimaryKey); err != nil {
		return err
	}
	if err := checkColumns(c.Columns, row); err != nil {
		return err
	}
	if c.Operation != Update {
		return nil
	}
	return checkOld(c.Columns, c.Old)
}

func checkKey(names []string) error {
	if len(names) > maxKeyColumns {
		return fmt.Errorf("a primary key of %d columns, more than %d", len(names), maxKeyColumns)
	}
	for i, name := range names {
		for _, other := range names[:i] {
			if name == other {
				return fmt.Errorf("column %q is twice in the primary key", name)
			}
		}
	}
	return nil
}

func checkColumns(columns []Column, row Row) error {
	for i, column := range columns {
		if column.Name != row[i].Name {
			return fmt.Errorf("cell %q where column %q is due", row[i].Name, column.Name)
		}
		if column.SQLType < math.MinInt32 || column.SQLType > math.MaxInt32 {
			return fmt.Errorf("column %q: SQL type %d is out of range", column.Name, column.SQLType)
		}
		for _, other := range columns[:i] {
			if column.Name == other.Name {
				return fmt.Errorf("column %q is there twice", column.Name)
			}
		}
	}
	return nil
}

// checkOld wants each old cell's column once. The cells mostly come in the
// columns' order, so the search begins behind the last hit.
func checkOld(columns []Column, old Row) error {
	seen, next := make([]bool, len(columns)), 0
	for _, cell := range old {
		tries := 0
		for ; tries < len(columns) && columns[next].Name != cell.Name; tries++ {
			next = (next + 1) % len(columns)
		}
		if tries == len(columns) || seen[next] {
			return fmt.Errorf("old cell %q has no column or is there twice", cell.Name)
		}
		seen[next] = true
	}
	return nil
}
