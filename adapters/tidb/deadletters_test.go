package tidb_test

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"testing"

	"helfy/adapters/tidb"
	"helfy/app/projection"
	"helfy/domain"
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

func TestAWaiverThatIsReadBeforeItsDeadLetterHolds(t *testing.T) {
	config := stack.New(t)
	store, db := open(t, config), stack.DB(t, config)
	waiveByHand(t, db, projection.FirstGeneration, projection.AuditName, "id", 10, "a")
	flush(t, store, poison(10, "a"))
	open, waived, err := tidb.NewDeadLetters(db).Count(t.Context(), projection.AuditName, projection.FirstGeneration)
	if err != nil || open != 0 || waived != 1 {
		t.Errorf("%d are open, %d waived, %v; want 0 and 1", open, waived, err)
	}
}

func TestARepeatMakesNoDeadLetterOfWhatWasUnderstoodSince(t *testing.T) {
	config := stack.New(t)
	store, db := open(t, config), stack.DB(t, config)
	count := func() (letters int) {
		if err := db.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM projection_dead_letters").Scan(&letters); err != nil {
			t.Fatal(err)
		}
		return letters
	}
	flush(t, store, poison(10, "a"), poison(11, "b"))
	if err := store.Retry(t.Context(), at(10, half("", "bob"))); err != nil {
		t.Fatal(err)
	}
	flush(t, store, poison(10, "a"), poison(11, "b")) // to a consumer of the version before
	if letters := count(); letters != 1 {
		t.Errorf("%d dead letters after a repeat, want 1", letters)
	}
	flush(t, store, at(11, half("alice", ""))) // to one that understands it
	if letters := count(); letters != 0 {
		t.Errorf("%d dead letters after a repeat that was understood, want none", letters)
	}
}

func TestARetryThatFailsHalfwayChangesNothing(t *testing.T) {
	config := stack.New(t)
	store, db := open(t, config), stack.DB(t, config)
	flush(t, store, poison(10, "a"))
	for _, statement := range []string{
		"INSERT INTO projection_generations (projection, generation, state, began_at) VALUES ('audit', 2, 'standby', NOW())",
		"INSERT INTO projection_checkpoints SELECT projection, 2, topic, kafka_partition, topic_id, first_offset, next_offset, watermark, TRUE, 0 FROM projection_checkpoints",
		"INSERT INTO projection_dead_letters SELECT projection, 2, topic, kafka_partition, kafka_offset, value, reason, size, digest, kafka_at, seen_at FROM projection_dead_letters",
	} {
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	away := errors.New("away")
	failing := tidb.NewProjectionStore(db, tidb.Layout{Name: projection.AuditName},
		func(ctx context.Context, tx *sql.Tx, generation int, _ []domain.AuditEntry) error {
			if generation == 2 {
				return away
			}
			_, err := tx.ExecContext(ctx, "UPDATE projection_checkpoints SET watermark = 99")
			return err
		})
	if err := failing.Retry(t.Context(), at(10, half("", "bob"))); !errors.Is(err, away) {
		t.Errorf("got %v", err)
	}
	var letters, written int
	if err := db.QueryRowContext(t.Context(), "SELECT COUNT(*), (SELECT SUM(watermark) FROM projection_checkpoints) FROM projection_dead_letters").
		Scan(&letters, &written); err != nil || letters != 2 || written != 0 {
		t.Errorf("%d dead letters, %d written, %v", letters, written, err)
	}
	if err := store.Retry(t.Context(), at(10, half("", "bob"))); err != nil {
		t.Fatal(err)
	}
	if err := store.Retry(t.Context(), at(10, half("", "bob"))); !errors.Is(err, projection.ErrNoDeadLetter) {
		t.Errorf("a second time: %v", err)
	}
	if err := db.QueryRowContext(t.Context(), "SELECT (SELECT COUNT(*) FROM projection_dead_letters), COUNT(*) FROM projection_audit_entries").
		Scan(&letters, &written); err != nil || letters != 0 || written != 2 {
		t.Errorf("%d dead letters, %d entries, %v", letters, written, err)
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
