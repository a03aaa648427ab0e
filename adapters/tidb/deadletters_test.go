package tidb_test

import (
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"testing"

	"helfy/adapters/tidb"
	"helfy/app/projection"
	"helfy/internal/stack"
)

// poison returns an item that is a dead letter of some bytes.
func poison(offset int64, value string) item {
	dead := at(offset)
	dead.Record.Value, dead.DeadLetter = []byte(value), "test"
	return dead
}

// waiveByHand writes a waiver as verification does.
func waiveByHand(t *testing.T, db *sql.DB, generation int, name, topicID string, offset int64, value string) {
	t.Helper()
	digest := sha256.Sum256([]byte(value))
	_, err := db.ExecContext(t.Context(), `
		INSERT INTO projection_audit_waivers (generation, commit_ts, event_id, projection, topic, topic_id, kafka_partition, kafka_offset, digest, reason, waived_by)
		VALUES (?, 1, UUID(), ?, ?, ?, 0, ?, ?, 'test', 'test')`, generation, name, topic, topicID, offset, hex.EncodeToString(digest[:]))
	if err != nil {
		t.Fatal(err)
	}
}

func TestADeadLetterIsWaivedByAWaiverOfItsBytesInItsTopic(t *testing.T) {
	config := stack.New(t)
	store, db := open(t, config), stack.DB(t, config)
	flush(t, store, poison(10, "a"), poison(11, "b"), poison(12, "c"), poison(13, "d"), poison(14, "e"))
	waiveByHand(t, db, projection.FirstGeneration, projection.AuditName, "id", 10, "a")
	waiveByHand(t, db, projection.FirstGeneration, projection.AuditName, "id", 10, "a") // twice
	waiveByHand(t, db, projection.FirstGeneration, projection.AuditName, "id", 11, "other bytes")
	waiveByHand(t, db, projection.FirstGeneration, projection.AuditName, "other topic", 12, "c")
	waiveByHand(t, db, projection.FirstGeneration, "other projection", "id", 13, "d")
	waiveByHand(t, db, projection.FirstGeneration+1, projection.AuditName, "id", 14, "e")
	open, waived, err := tidb.NewDeadLetters(db).Count(t.Context(), projection.AuditName, projection.FirstGeneration)
	if err != nil || open != 4 || waived != 1 {
		t.Errorf("%d are open, %d waived, %v; want 4 and 1", open, waived, err)
	}
}

func TestWaiversOfTheLiveAuditLogHoldForOtherProjections(t *testing.T) {
	config := stack.New(t)
	store, db := open(t, config), stack.DB(t, config)
	flush(t, store, poison(10, "a"))
	for _, statement := range []string{
		"UPDATE projection_checkpoints SET projection = 'other', generation = 7",
		"UPDATE projection_dead_letters SET projection = 'other', generation = 7",
	} {
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	count := func() int64 {
		_, waived, err := tidb.NewDeadLetters(db).Count(t.Context(), "other", 7)
		if err != nil {
			t.Fatal(err)
		}
		return waived
	}
	waiveByHand(t, db, 7, "other", "id", 10, "a")
	if waived := count(); waived != 0 {
		t.Errorf("by the waiver of another generation of the audit log %d are waived", waived)
	}
	waiveByHand(t, db, projection.FirstGeneration, "other", "id", 10, "a")
	if waived := count(); waived != 1 {
		t.Errorf("%d are waived, want 1", waived)
	}
}
