// Package canaljson reads and writes the Canal-JSON messages that TiCDC puts
// into Kafka, one message per Kafka record.
//
// The format is the one of TiCDC v8.5, described at
// https://docs.pingcap.com/tidb/v8.5/ticdc-canal-json, with and without the
// TiDB extension (enable-tidb-extension) and content-compatible mode. What the
// page leaves open, such as the members' order and the escaping, is as the
// encoders of github.com/pingcap/tiflow (pkg/sink/codec/canal) and
// github.com/pingcap/ticdc have it; testdata holds messages that both wrote.
//
// Decode and Encode are each other's inverse: what Decode accepts, other than
// an *Unsupported, Encode writes, and that decodes to the same message.
//
// All functions and types are safe for concurrent use as long as nobody
// writes to a value that another goroutine reads.
package canaljson

// Message is one decoded Kafka record value: a *Change, a *DDL, a *Watermark
// or an *Unsupported. No other type implements it.
type Message interface{ message() }

// Operation says what a Change did to its row.
type Operation string

// The operations of a Change, as the wire spells them.
const (
	Insert Operation = "INSERT"
	Update Operation = "UPDATE"
	Delete Operation = "DELETE"
)

// Change is one committed change of one row.
type Change struct {
	Database string
	Table    string
	// PrimaryKey names the primary key's columns in the table's order. It is
	// empty for a table that has none.
	PrimaryKey []string
	Operation  Operation
	// Columns gives the types of the columns of New (of Old for a Delete), in
	// the table's order.
	Columns []Column
	// Old is the row before the change: nil for an Insert, every column for a
	// Delete, and for an Update every column or only the changed ones,
	// depending on the changefeed.
	Old Row
	// New is the row after the change: nil for a Delete.
	New Row
	// CommitTs is the TSO at which the change was committed, 0 when the
	// changefeed runs without the TiDB extension.
	CommitTs uint64
	// CommitMillis is the wire's es: the physical part of the commit TSO, in
	// Unix milliseconds.
	CommitMillis int64
	// EncodedMillis is the wire's ts: when TiCDC encoded the message, in Unix
	// milliseconds. A message that is sent again carries another one.
	EncodedMillis int64
}

// Column is the type of one column of a Change.
type Column struct {
	Name string
	// SQLType is the java.sql.Types code.
	SQLType int
	// MySQLType is the type's name, such as "varchar" or, in
	// content-compatible mode, "varchar(255)".
	MySQLType string
}

// Row is the cells of one row, in the table's column order.
type Row []Cell

// Cell is one column's value. Every non-NULL value is text on the wire; the
// bytes of binary columns come as the code points U+0000 to U+00FF.
type Cell struct {
	Name string
	Text string
	Null bool
}

// DDL is one executed schema change.
type DDL struct {
	Database string
	Table    string
	// Type is Canal's name of the statement's kind, such as "CREATE", "ALTER",
	// "ERASE", "TRUNCATE", "RENAME" or "QUERY".
	Type string
	// Query is the statement's text.
	Query         string
	CommitTs      uint64
	CommitMillis  int64
	EncodedMillis int64
}

// Watermark promises that every change with a commit TSO up to and including
// Ts has been sent to the partition that carries it at least once.
type Watermark struct {
	Ts            uint64
	CommitMillis  int64
	EncodedMillis int64
}

// Unsupported is a well-formed message that does not carry what a consumer
// needs, such as a row reduced to its handle key. It must not be skipped in
// silence.
type Unsupported struct {
	Database string
	Table    string
	// Type is the wire's type, such as "INSERT".
	Type     string
	CommitTs uint64
	// Reason says which member makes the message unsupported.
	Reason string
}

func (*Change) message()      {}
func (*DDL) message()         {}
func (*Watermark) message()   {}
func (*Unsupported) message() {}
