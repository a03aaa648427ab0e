package domain

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// usersTable is the fed table whose changes events explain.
const usersTable = "users"

// attribute looks for the events that explain a change of a users row, and
// marks them as covered.
func (v *Verifier) attribute(change AuditEntry, links []*link, found report) {
	before, after, err := change.rows()
	if err != nil {
		found(change, UnattributedChange, "the row cannot be read: %v", err)
		return
	}
	from, to := before.seq, after.seq
	if change.New == nil {
		to = ^uint64(0)
	}
	var events []Event
	last := ""
	for _, link := range links {
		of := link.event
		if of.AggregateType == AggregateUser && of.AggregateID == change.RowKey && of.Seq > from && of.Seq <= to && link.genuine {
			link.covered = true
			events = append(events, of)
			last = of.Hash
		}
	}
	switch count := uint64(len(events)); {
	case change.New == nil && slices.ContainsFunc(events, func(e Event) bool { return e.Type == UserDeleted }):
		return
	case change.New == nil:
		found(change, UnattributedChange, "the row was deleted without an event: %s", change.difference())
	case to <= from:
		found(change, UnattributedChange, "event_seq did not advance: %s", change.difference())
	case count != to-from:
		found(change, UnattributedChange, "event_seq went from %d to %d with %d of the %d events: %s",
			from, to, count, to-from, change.difference())
	case last != after.hash:
		found(change, UnattributedChange, "event_hash is not the hash of event %d: %s", to, change.difference())
	default:
		change.holdUpTo(events, found)
	}
}

// holdUpTo checks that the change is the one that its events tell of.
func (e AuditEntry) holdUpTo(events []Event, found report) {
	before, err := readCells(e.Old)
	if err != nil {
		return // its rows were read before
	}
	after, err := readCells(e.New)
	if err != nil {
		return
	}
	if wrong := unexplained(before, after, events); len(wrong) > 0 {
		found(e, UnattributedChange, "it is not what its events (%s) tell, %s: %s",
			typesOf(events), strings.Join(wrong, ", "), e.difference())
	}
}

// userRow is what attribution needs of a users row; zero for no row.
type userRow struct {
	seq  uint64
	hash string
}

func (e AuditEntry) rows() (before, after userRow, err error) {
	if before, err = readUserRow(e.Old); err != nil {
		return before, after, err
	}
	after, err = readUserRow(e.New)
	return before, after, err
}

func readUserRow(text []byte) (userRow, error) {
	if text == nil {
		return userRow{}, nil
	}
	row, err := readCells(text)
	if err != nil {
		return userRow{}, err
	}
	seq, err := strconv.ParseUint(row["event_seq"].text, 10, 64)
	if err != nil {
		return userRow{}, fmt.Errorf("event_seq: %w", err)
	}
	return userRow{seq: seq, hash: row["event_hash"].text}, nil
}

// difference says which columns a change has touched, old → new.
func (e AuditEntry) difference() string {
	before, err := readCells(e.Old)
	if err != nil {
		return err.Error()
	}
	after, err := readCells(e.New)
	if err != nil {
		return err.Error()
	}
	var parts []string
	for _, name := range columns(before, after) {
		was, is := before[name], after[name]
		if was != is {
			parts = append(parts, fmt.Sprintf("%s: %s → %s", name, was, is))
		}
	}
	if len(parts) == 0 {
		return "nothing differs"
	}
	return strings.Join(parts, ", ")
}

// IsFed reports whether a table is one of those that are fed to Kafka.
func IsFed(table string) bool { return table == usersTable || table == outboxTable }
