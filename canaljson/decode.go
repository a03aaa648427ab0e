package canaljson

import (
	"strconv"
	"strings"
)

// The types of the wire that are no DDL.
const (
	typeInsert    = string(Insert)
	typeUpdate    = string(Update)
	typeDelete    = string(Delete)
	typeWatermark = "TIDB_WATERMARK"
)

// Decode reads one message, the value of one Kafka record.
//
// Members that it does not know are skipped. Anything else that is not as
// TiCDC writes it gives a *DecodeError: text that is not JSON or not UTF-8, a
// member of the wrong type or twice, a missing one, another number of rows
// than one, a type that is neither a change, a DDL nor a watermark. Decode
// never panics, and its stack and its memory, a small multiple of len(value),
// are bounded whatever value holds.
//
// value is not kept and not changed. The strings of the returned message share
// one copy of it; clone a string that is kept much longer than the message.
func Decode(value []byte) (Message, error) {
	d := decoder{scanner: newScanner(value)}
	d.members(d.member)
	d.end = d.pos - 1
	if d.next(); d.pos < len(d.in) {
		d.fail(d.pos, "more text behind the message")
	}
	if d.err != nil {
		return nil, d.err
	}
	m := d.message()
	if d.err != nil {
		return nil, d.err
	}
	return m, nil
}

// decoder gathers the members of one message, in whatever order they come.
type decoder struct {
	scanner
	// at has the offsets of the known members' values, 0 for a member that has
	// not come. end is the offset of the message's closing brace.
	at  [memberCount]int
	end int

	database, table, kind, sql string
	isDDL                      bool
	es, ts                     int64
	commitTs, watermarkTs      uint64
	onlyHandleKey              bool
	claimCheck                 string
	pk                         []string

	old, data Row
	// columns are those of sqlType, mysqlType, data and old, in the order in
	// which they came; found has what each was found in.
	columns []Column
	found   []foundIn
	hint    int
}

// once notes that m is here and reports whether that is the first time.
func (d *decoder) once(m member, name token) bool {
	if d.at[m] != 0 {
		d.fail(name.start-1, "duplicate member")
		return false
	}
	d.at[m] = d.pos
	return true
}

func (d *decoder) member(name token) {
	m := memberNamed(name.raw)
	if m != unknown && !d.once(m, name) {
		return
	}
	switch m {
	case unknown:
		d.skip(maxDepth)
	case database:
		d.database = d.text()
	case table:
		d.table = d.text()
	case pkNames:
		d.primaryKey()
	case isDDL:
		d.isDDL = d.boolean()
	case kind:
		d.kind = d.typeName(d.string())
	case es:
		d.es = d.int64()
	case ts:
		d.ts = d.int64()
	case sql:
		d.sql = d.text()
	case sqlType:
		d.types(inSQLType, func(c *Column) { c.SQLType = d.int32() })
	case mysqlType:
		d.types(inMySQLType, func(c *Column) { c.MySQLType = d.text() })
	case data:
		d.data = d.row(inData)
	case old:
		d.old = d.row(inOld)
	case tidb:
		if !d.null() {
			d.members(d.extension)
		}
	}
}

// typeName keeps the type. Copying the message for a watermark's would double
// its cost.
func (d *decoder) typeName(t token) string {
	for _, known := range [...]string{typeInsert, typeUpdate, typeDelete, typeWatermark} {
		if string(t.raw) == known {
			return known
		}
	}
	return d.keep(t)
}

// extension reads a member of _tidb.
func (d *decoder) extension(name token) {
	switch string(name.raw) {
	case "commitTs":
		if d.once(commitTs, name) {
			d.commitTs = d.uint64()
		}
	case "watermarkTs":
		if d.once(watermarkTs, name) {
			d.watermarkTs = d.uint64()
		}
	case "onlyHandleKey":
		if d.once(onlyHandleKey, name) {
			d.onlyHandleKey = d.boolean()
		}
	case "claimCheckLocation":
		if d.once(claimCheck, name) {
			d.claimCheck = d.text()
		}
	default:
		d.skip(maxDepth - 1)
	}
}

// message makes the message of the members. A row that is elsewhere comes
// first: some versions of TiCDC send its location and nothing else.
func (d *decoder) message() Message {
	switch {
	case d.claimCheck != "":
		return d.unsupported("_tidb.claimCheckLocation: the row is in external storage")
	case d.onlyHandleKey:
		return d.unsupported("_tidb.onlyHandleKey: the row is reduced to its handle key")
	case !d.require(kind):
		return nil
	case d.isDDL:
		return d.ddl()
	case d.kind == typeWatermark:
		return d.watermark()
	case d.kind == typeInsert || d.kind == typeUpdate || d.kind == typeDelete:
		return d.change()
	}
	shown := d.kind[:min(len(d.kind), 32)]
	d.reject(kind, "unknown type "+strconv.Quote(strings.ToValidUTF8(shown, "")))
	return nil
}

// reject fails because of the value of a member.
func (d *decoder) reject(m member, reason string) {
	d.fail(d.at[m], reason)
	d.err.Path = memberNames[m]
}

// require reports whether all of the members have come, and fails otherwise.
func (d *decoder) require(members ...member) bool {
	for _, m := range members {
		if d.at[m] == 0 {
			d.fail(d.end, "missing member")
			d.err.Path = memberNames[m]
			return false
		}
	}
	return true
}

// refuseRows reports whether the message carries no row, and fails otherwise.
func (d *decoder) refuseRows(where string) bool {
	switch {
	case d.data != nil:
		d.reject(data, "must be null in "+where)
	case d.old != nil:
		d.reject(old, "must be null in "+where)
	}
	return d.err == nil
}

func (d *decoder) unsupported(reason string) Message {
	return &Unsupported{Database: d.database, Table: d.table, Type: d.kind, CommitTs: d.commitTs, Reason: reason}
}

func (d *decoder) watermark() Message {
	if !d.require(watermarkTs) || !d.refuseRows("a watermark") {
		return nil
	}
	return &Watermark{Ts: d.watermarkTs, CommitMillis: d.es, EncodedMillis: d.ts}
}

func (d *decoder) ddl() Message {
	if !d.require(database, table, sql) || !d.refuseRows("a DDL") {
		return nil
	}
	if d.kind == "" {
		d.reject(kind, "must not be empty")
		return nil
	}
	return &DDL{
		Database: d.database, Table: d.table, Type: d.kind, Query: d.sql,
		CommitTs: d.commitTs, CommitMillis: d.es, EncodedMillis: d.ts,
	}
}
