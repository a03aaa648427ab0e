// Package domain holds what Helfy is about: users, their events and the chains
// that these form, sessions, credentials, and the audit entries made of them.
// It is pure: no I/O, no clock, no database.
package domain

import (
	"encoding/json"
	"strconv"
	"time"
)

// Source says which of the two topics an audit entry comes from.
type Source string

// The sources of audit entries.
const (
	SourceEvent  Source = "event"  // why: a row of the outbox
	SourceChange Source = "change" // what: a changed row of a fed table, or a changed table
)

// AuditEntry is one line of the audit log: an event, or the change of one row
// by one transaction. CommitTs, Table and RowKey identify it.
type AuditEntry struct {
	CommitTs uint64
	Table    string
	// RowKey is the row's primary key, the columns joined by a comma.
	RowKey string
	Source Source
	// EventType is set for events only.
	EventType EventType
	UserID    UserID // 0: none
	Username  string
	IP        string
	Seq       uint64
	// DDLType is the kind of a schema change, such as TRUNCATE; empty for
	// everything else.
	DDLType string
	// Old and New are the row's cells before and after, JSON objects of
	// strings and nulls exactly as they came over the wire; nil for a row
	// that did not exist. An event has only New, and a schema change has its
	// statement there.
	Old json.RawMessage
	New json.RawMessage
	// Topic, Partition and Offset are where the entry was first read.
	Topic     string
	Partition int32
	Offset    int64
	// InKafkaAt is the record's timestamp, ProjectedAt when the entry was
	// written; the latter says nothing of the topics.
	InKafkaAt   time.Time
	ProjectedAt time.Time
}

// ID names the entry: the event's own id, or table, key and commitTs.
func (e AuditEntry) ID() string {
	if e.Source == SourceEvent {
		return e.RowKey
	}
	return e.Table + "/" + e.RowKey + "@" + strconv.FormatUint(e.CommitTs, 10)
}

// Operation tells what a change did to its row, INSERT, UPDATE or DELETE, or
// the kind of a schema change.
func (e AuditEntry) Operation() string {
	switch {
	case e.DDLType != "":
		return e.DDLType
	case e.Old == nil:
		return "INSERT"
	case e.New == nil:
		return "DELETE"
	default:
		return "UPDATE"
	}
}

// tsoLogicalBits is the width of a TSO's logical part; the rest is Unix
// milliseconds: https://docs.pingcap.com/tidb/stable/tso
const tsoLogicalBits = 18

// TSOOfTime returns the first TSO of a time's millisecond. The time must not
// be before 1970.
func TSOOfTime(t time.Time) uint64 { return uint64(t.UnixMilli()) << tsoLogicalBits }

// TimeOfTSO returns the wall-clock part of a TSO, in UTC.
func TimeOfTSO(ts uint64) time.Time {
	return time.UnixMilli(int64(ts >> tsoLogicalBits)).UTC()
}
