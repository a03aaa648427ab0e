package tidb_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"sync"
	"testing"

	"helfy/adapters/tidb"
	"helfy/app/projection"
	"helfy/app/query"
	"helfy/domain"
	"helfy/internal/stack"
	"helfy/service"
)

const topic, other = "changes", "events"

type item = projection.Item[domain.AuditEntry]

// open returns a store whose checkpoint of partition 0 stands at 10.
func open(t *testing.T, config service.Config) *tidb.ProjectionStore[domain.AuditEntry] {
	t.Helper()
	store := tidb.NewAuditStore(stack.DB(t, config))
	partition := projection.Partition{Topic: topic, TopicID: "id", Partition: 0, Earliest: 10, End: 100}
	if _, err := store.Open(t.Context(), []projection.Partition{partition}); err != nil {
		t.Fatal(err)
	}
	return store
}

// at returns an item at an offset of partition 0.
func at(offset int64, entries ...domain.AuditEntry) item {
	for i := range entries {
		entries[i].Topic, entries[i].Offset = topic, offset
	}
	return item{Record: projection.Record{Topic: topic, Offset: offset}, Rows: entries}
}

func flush(t *testing.T, store *tidb.ProjectionStore[domain.AuditEntry], items ...item) []bool {
	t.Helper()
	fresh, err := store.Flush(t.Context(), items)
	if err != nil {
		t.Fatal(err)
	}
	return fresh
}

func half(old, new string) domain.AuditEntry {
	entry := domain.AuditEntry{CommitTs: 7, Table: "users", RowKey: "1", Source: domain.SourceChange, UserID: 1}
	if old != "" {
		entry.Old, entry.Username, entry.Seq = json.RawMessage(`{"username":"`+old+`"}`), old, 1
	}
	if new != "" {
		entry.New, entry.Username, entry.Seq = json.RawMessage(`{"username":"`+new+`"}`), new, 2
	}
	return entry
}

// entries reads the log with a watermark that has passed everything.
func entries(t *testing.T, config service.Config) []domain.AuditEntry {
	t.Helper()
	db := stack.DB(t, config)
	if _, err := db.ExecContext(t.Context(), "UPDATE projection_checkpoints SET watermark = 1000"); err != nil {
		t.Fatal(err)
	}
	found, err := tidb.NewAuditLog(db, topic, other).Entries(t.Context(), query.AuditFilter{}, nil, 100)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestHalvesOfASplitUpdateBecomeOneEntryInAnyOrder(t *testing.T) {
	deleted, inserted := half("alice", ""), half("", "bob")
	for name, order := range map[string][][]domain.AuditEntry{
		"delete first, one flush": {{deleted, inserted}},
		"insert first, one flush": {{inserted, deleted}},
		"delete first, two":       {{deleted}, {inserted}},
		"insert first, two":       {{inserted}, {deleted}},
		"delete repeated":         {{deleted}, {inserted}, {deleted}},
		"insert repeated":         {{inserted}, {deleted}, {inserted}},
		"both repeated, turned":   {{deleted, inserted}, {inserted, deleted}},
	} {
		t.Run(name, func(t *testing.T) {
			config := stack.New(t)
			store := open(t, config)
			offset := int64(10)
			for _, together := range order {
				var items []item
				for _, entry := range together {
					items = append(items, at(offset, entry))
					offset++
				}
				flush(t, store, items...)
			}
			found := entries(t, config)
			if len(found) != 1 {
				t.Fatalf("%d entries, want 1", len(found))
			}
			got := found[0]
			if got.Operation() != "UPDATE" || got.Username != "bob" || got.Seq != 2 ||
				string(got.Old) != string(deleted.Old) || string(got.New) != string(inserted.New) {
				t.Errorf("entry is %+v", got)
			}
		})
	}
}

func TestALoneDeleteHalfShowsOnceItsWatermarkHasPassed(t *testing.T) {
	config := stack.New(t)
	store := open(t, config)
	log := tidb.NewAuditLog(stack.DB(t, config), topic, other)
	count := func() int {
		found, err := log.Entries(t.Context(), query.AuditFilter{}, nil, 10)
		if err != nil {
			t.Fatal(err)
		}
		return len(found)
	}
	flush(t, store, at(10, half("alice", "")))
	if count() != 0 {
		t.Error("it shows before the watermark")
	}
	watermark := at(11)
	watermark.Watermark = 7
	flush(t, store, watermark)
	if count() != 1 {
		t.Error("it does not show after the watermark")
	}
}

func TestARepeatChangesNothingAndIsNotFresh(t *testing.T) {
	config := stack.New(t)
	store := open(t, config)
	items := []item{at(10, half("", "alice")), at(11)}
	if fresh := flush(t, store, items...); !reflect.DeepEqual(fresh, []bool{true, true}) {
		t.Errorf("first: fresh is %v", fresh)
	}
	before := entries(t, config)
	if fresh := flush(t, store, items...); !reflect.DeepEqual(fresh, []bool{false, false}) {
		t.Errorf("repeat: fresh is %v", fresh)
	}
	if after := entries(t, config); !reflect.DeepEqual(after, before) {
		t.Errorf("the repeat changed %+v to %+v", before, after)
	}
}

func TestAGapStoresNothing(t *testing.T) {
	config := stack.New(t)
	store := open(t, config)
	_, err := store.Flush(t.Context(), []item{at(10, half("", "alice")), at(12)})
	if !errors.Is(err, projection.ErrGap) {
		t.Fatalf("got %v", err)
	}
	if found := entries(t, config); len(found) != 0 {
		t.Errorf("stored %+v", found)
	}
}

func TestAPartitionWithoutCheckpointIsAGap(t *testing.T) {
	config := stack.New(t)
	store := open(t, config)
	stranger := item{Record: projection.Record{Topic: topic, Partition: 9, Offset: 0}}
	if _, err := store.Flush(t.Context(), []item{stranger}); !errors.Is(err, projection.ErrGap) {
		t.Errorf("got %v", err)
	}
}

func TestTwoWritersOfOnePartitionLoseNothing(t *testing.T) {
	config := stack.New(t)
	first, second := open(t, config), open(t, config)
	var wait sync.WaitGroup
	for _, store := range []*tidb.ProjectionStore[domain.AuditEntry]{first, second} {
		wait.Go(func() {
			for offset := int64(10); offset < 60; offset++ {
				entry := half("", "alice")
				entry.CommitTs = uint64(offset)
				if _, err := store.Flush(t.Context(), []item{at(offset, entry)}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wait.Wait()
	if found := entries(t, config); len(found) != 50 {
		t.Errorf("%d entries, want 50", len(found))
	}
}
