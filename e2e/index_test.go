package e2e

import (
	"strconv"
	"testing"

	"helfy/internal/stack"
	"helfy/service"
)

// seqKey is one place in a user's chain of events.
type seqKey struct {
	user int64
	seq  uint64
}

// auditIndex finds entries of the audit log.
type auditIndex struct {
	changes       []stack.Entry
	changeOfToken map[string]stack.Entry
	eventAt       map[seqKey]stack.Entry
	eventIDs      map[string]bool
}

// indexEntries fails the test for any entry that is there twice.
func indexEntries(t *testing.T, entries []stack.Entry) auditIndex {
	t.Helper()
	index := auditIndex{
		changeOfToken: map[string]stack.Entry{}, eventAt: map[seqKey]stack.Entry{}, eventIDs: map[string]bool{},
	}
	ids := map[string]bool{}
	for _, entry := range entries {
		if ids[entry.ID] {
			t.Errorf("entry %s is in the log twice", entry.ID)
		}
		ids[entry.ID] = true
		if entry.Source == "change" {
			index.changes = append(index.changes, entry)
			if token := entry.New["token_hash"]; token != nil {
				if other, ok := index.changeOfToken[*token]; ok {
					t.Errorf("entries %s and %s are of one login", entry.ID, other.ID)
				}
				index.changeOfToken[*token] = entry
			}
			continue
		}
		key := seqKey{*entry.UserID, *entry.Seq}
		if other, ok := index.eventAt[key]; ok {
			t.Errorf("events %s and %s are both number %d of user %d", entry.ID, other.ID, key.seq, key.user)
		}
		index.eventAt[key] = entry
		index.eventIDs[entry.ID] = true
	}
	return index
}

// requireExplained checks that a change that moves event_seq from a to b has
// the events a+1 … b of that user at its commitTs, and that there are any.
func (x auditIndex) requireExplained(t *testing.T, change stack.Entry) {
	t.Helper()
	from, to := uint64(0), eventSeq(t, change.New)
	if change.Old != nil {
		from = eventSeq(t, change.Old)
	}
	if to <= from {
		t.Errorf("change %s moves event_seq from %d to %d", change.ID, from, to)
	}
	for seq := from + 1; seq <= to; seq++ {
		event, ok := x.eventAt[seqKey{*change.UserID, seq}]
		switch {
		case !ok:
			t.Errorf("change %s has no event %d", change.ID, seq)
		case event.CommitTs != change.CommitTs:
			t.Errorf("change %s was committed at %s, its event %d at %s", change.ID, change.CommitTs, seq, event.CommitTs)
		}
	}
}

func eventSeq(t *testing.T, row map[string]*string) uint64 {
	t.Helper()
	if row["event_seq"] == nil {
		t.Fatalf("row without event_seq: %v", row)
	}
	seq, err := strconv.ParseUint(*row["event_seq"], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return seq
}

// requireSameAsDatabase checks that the log has what was committed, all of it
// and nothing else: each event of the outbox but those of reading the log, and
// as many changes as events.
func requireSameAsDatabase(t *testing.T, config service.Config, index auditIndex) {
	t.Helper()
	rows, err := stack.DB(t, config).QueryContext(t.Context(), "SELECT id FROM outbox WHERE type <> 'AUDIT_READ'")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	committed := 0
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			t.Fatal(err)
		}
		committed++
		if !index.eventIDs[id] {
			t.Errorf("event %s was committed, but is not in the log", id)
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	if len(index.eventIDs) != committed {
		t.Errorf("the log has %d events, the database %d", len(index.eventIDs), committed)
	}
	// Each event of a known user changed that user's row once.
	if len(index.changes) != committed {
		t.Errorf("the log has %d changes for %d events", len(index.changes), committed)
	}
}
