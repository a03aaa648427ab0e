package canaljson

import (
	"errors"
	"fmt"
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
func Encode(m Message) ([]byte, error) {
	value, err := AppendJSON(make([]byte, 0, 1024), m)
	if err != nil {
		return nil, err
	}
	return value, nil
}

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
		return dst, fmt.Errorf("canal-json: encode: %w", e.err)
	}
	return e.out, nil
}

// encoder appends JSON to out. The first fault stays in err.
type encoder struct {
	out []byte
	err error
}

func (e *encoder) raw(s string) { e.out = append(e.out, s...) }

// name writes a member's name, or an array's element, behind a comma if there
// is something before it.
func (e *encoder) name(name string) {
	if last := e.out[len(e.out)-1]; last != '{' && last != '[' {
		e.raw(",")
	}
	e.string(name, name)
}

func (e *encoder) member(name, value string) {
	e.name(name)
	e.raw(":")
	e.string(name, value)
}

func (e *encoder) string(member, s string) {
	if !utf8.ValidString(s) && e.err == nil {
		e.err = fmt.Errorf("member %q: not UTF-8", member)
	}
	e.out = appendString(e.out, s)
}

func (e *encoder) int(before string, n int64) {
	e.raw(before)
	e.out = strconv.AppendInt(e.out, n, 10)
}

func (e *encoder) uint(before string, n uint64) {
	e.raw(before)
	e.out = strconv.AppendUint(e.out, n, 10)
}

func (e *encoder) change(c *Change) {
	e.raw(`{"id":0`)
	e.member("database", c.Database)
	e.member("table", c.Table)
	e.raw(`,"pkNames":[`)
	for _, name := range c.PrimaryKey {
		e.name(name)
	}
	e.raw(`],"isDdl":false`)
	e.member("type", string(c.Operation))
	e.int(`,"es":`, c.CommitMillis)
	e.int(`,"ts":`, c.EncodedMillis)
	e.raw(`,"sql":"","sqlType":{`)
	for _, column := range c.Columns {
		e.name(column.Name)
		e.int(":", int64(column.SQLType))
	}
	e.raw(`},"mysqlType":{`)
	for _, column := range c.Columns {
		e.member(column.Name, column.MySQLType)
	}
	e.raw(`},"old":`)
	if c.Operation == Update {
		e.row(c.Old)
	} else {
		e.raw("null")
	}
	e.raw(`,"data":`)
	e.row(c.Row())
	e.end(c.CommitTs)
}

func (e *encoder) row(row Row) {
	e.raw("[{")
	for _, cell := range row {
		if cell.Null {
			e.name(cell.Name)
			e.raw(":null")
		} else {
			e.member(cell.Name, cell.Text)
		}
	}
	e.raw("}]")
}

// end writes the extension, if there is a commit TSO.
func (e *encoder) end(commitTs uint64) {
	if commitTs != 0 {
		e.uint(`,"_tidb":{"commitTs":`, commitTs)
		e.raw("}")
	}
	e.raw("}")
}

// noRows is what a message without a row has instead; there, data is before old.
const noRows = `,"sqlType":null,"mysqlType":null,"data":null,"old":null`

func (e *encoder) ddl(d *DDL) {
	e.raw(`{"id":0`)
	e.member("database", d.Database)
	e.member("table", d.Table)
	e.raw(`,"pkNames":null,"isDdl":true`)
	e.member("type", d.Type)
	e.int(`,"es":`, d.CommitMillis)
	e.int(`,"ts":`, d.EncodedMillis)
	e.member("sql", d.Query)
	e.raw(noRows)
	e.end(d.CommitTs)
}

func (e *encoder) watermark(w *Watermark) {
	e.raw(`{"id":0,"database":"","table":"","pkNames":null,"isDdl":false,"type":"` + typeWatermark + `"`)
	e.int(`,"es":`, w.CommitMillis)
	e.int(`,"ts":`, w.EncodedMillis)
	e.raw(`,"sql":""` + noRows)
	e.uint(`,"_tidb":{"watermarkTs":`, w.Ts)
	e.raw("}}")
}
