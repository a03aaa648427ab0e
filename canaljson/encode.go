package canaljson

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"unicode/utf8"
)

// Encode writes the document that TiCDC writes for m, byte for byte, except
// that mysqlType, which TiCDC leaves in random order, has the columns' order.
// The TiDB extension is written if m has a commit TSO; a *Watermark always has
// it.
//
// A *Change must have columns, one cell for each in their order, and of an
// Update's Old no cells but theirs. That, an unknown operation, text that is
// not UTF-8 or an *Unsupported is an error.
func Encode(m Message) ([]byte, error) { return AppendJSON(nil, m) }

// AppendJSON appends what Encode returns to dst. After an error it returns dst
// as it was.
func AppendJSON(dst []byte, m Message) ([]byte, error) {
	e := encoder{out: dst}
	switch m := m.(type) {
	case *Change:
		if m == nil {
			return dst, errors.New("canal-json: encode: the change is nil")
		}
		if err := checkChange(m); err != nil {
			return dst, fmt.Errorf("canal-json: encode a change of %q.%q: %w", m.Database, m.Table, err)
		}
		e.change(m)
	case *DDL:
		if m == nil || m.Type == "" {
			return dst, errors.New("canal-json: encode: the DDL has no type")
		}
		e.ddl(m)
	case *Watermark:
		if m == nil {
			return dst, errors.New("canal-json: encode: the watermark is nil")
		}
		e.watermark(m)
	default:
		return dst, fmt.Errorf("canal-json: encode: %T has no form on the wire", m)
	}
	if e.err != nil {
		return dst, e.err
	}
	return e.out, nil
}

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

func checkOld(columns []Column, old Row) error {
	next := 0
	for i, cell := range old {
		for next < len(columns) && columns[next].Name != cell.Name {
			next++
		}
		if next == len(columns) {
			return fmt.Errorf("old cell %d, %q, has no column or is not in the columns' order", i, cell.Name)
		}
		next++
	}
	return nil
}

// encoder appends JSON to out. The first fault stays in err.
type encoder struct {
	out []byte
	err error
}

func (e *encoder) raw(s string) { e.out = append(e.out, s...) }

func (e *encoder) string(what, s string) {
	if !utf8.ValidString(s) && e.err == nil {
		e.err = fmt.Errorf("canal-json: encode: %s is not UTF-8", what)
	}
	e.out = appendString(e.out, s)
}

// head writes the members that every message begins with. Only changes have
// a pkNames that is not null.
func (e *encoder) head(database, table string, pk []string, isChange, isDDL bool, kind string, es, ts int64, sql string) {
	e.raw(`{"id":0,"database":`)
	e.string("the database", database)
	e.raw(`,"table":`)
	e.string("the table", table)
	e.raw(`,"pkNames":`)
	if isChange {
		e.names(pk)
	} else {
		e.raw("null")
	}
	e.raw(`,"isDdl":`)
	e.out = strconv.AppendBool(e.out, isDDL)
	e.raw(`,"type":`)
	e.string("the type", kind)
	e.raw(`,"es":`)
	e.out = strconv.AppendInt(e.out, es, 10)
	e.raw(`,"ts":`)
	e.out = strconv.AppendInt(e.out, ts, 10)
	e.raw(`,"sql":`)
	e.string("the statement", sql)
}

func (e *encoder) names(names []string) {
	e.raw("[")
	for i, name := range names {
		e.comma(i)
		e.string("a primary key column's name", name)
	}
	e.raw("]")
}

func (e *encoder) comma(i int) {
	if i > 0 {
		e.raw(",")
	}
}

func (e *encoder) change(c *Change) {
	e.head(c.Database, c.Table, c.PrimaryKey, true, false, string(c.Operation), c.CommitMillis, c.EncodedMillis, "")
	e.raw(`,"sqlType":{`)
	for i, column := range c.Columns {
		e.comma(i)
		e.string("a column's name", column.Name)
		e.raw(":")
		e.out = strconv.AppendInt(e.out, int64(column.SQLType), 10)
	}
	e.raw(`},"mysqlType":{`)
	for i, column := range c.Columns {
		e.comma(i)
		e.string("a column's name", column.Name)
		e.raw(":")
		e.string("a column's type", column.MySQLType)
	}
	e.raw(`},"old":`)
	if c.Operation == Update {
		e.row(c.Old)
	} else {
		e.raw("null")
	}
	e.raw(`,"data":`)
	e.row(c.Row())
	e.commitTs(c.CommitTs)
}

func (e *encoder) row(row Row) {
	e.raw("[{")
	for i, cell := range row {
		e.comma(i)
		e.string("a column's name", cell.Name)
		e.raw(":")
		if cell.Null {
			e.raw("null")
		} else {
			e.string("the cell of "+cell.Name, cell.Text)
		}
	}
	e.raw("}]")
}

// commitTs ends a message with the extension, if it has a commit TSO.
func (e *encoder) commitTs(ts uint64) {
	if ts != 0 {
		e.raw(`,"_tidb":{"commitTs":`)
		e.out = strconv.AppendUint(e.out, ts, 10)
		e.raw("}")
	}
	e.raw("}")
}

const noRows = `,"sqlType":null,"mysqlType":null,"data":null,"old":null`

func (e *encoder) ddl(d *DDL) {
	e.head(d.Database, d.Table, nil, false, true, d.Type, d.CommitMillis, d.EncodedMillis, d.Query)
	e.raw(noRows)
	e.commitTs(d.CommitTs)
}

func (e *encoder) watermark(w *Watermark) {
	e.head("", "", nil, false, false, typeWatermark, w.CommitMillis, w.EncodedMillis, "")
	e.raw(noRows)
	e.raw(`,"_tidb":{"watermarkTs":`)
	e.out = strconv.AppendUint(e.out, w.Ts, 10)
	e.raw("}}")
}
