package tidb_test

import (
	"context"
	"errors"
	"testing"

	"helfy/adapters/tidb"
	"helfy/app/projection"
	"helfy/domain"
	"helfy/internal/stack"
)

func TestALogIsCompleteThroughWhatIsConfirmedAndNeverLess(t *testing.T) {
	config := stack.New(t)
	db := stack.DB(t, config)
	open(t, config)
	generations, log := tidb.NewAuditStore(db).Generations(), tidb.NewAuditLog(db, topic, other)
	for _, step := range []struct {
		confirm, want uint64
		moved         bool
	}{{0, 0, false}, {50, 50, true}, {50, 50, false}, {20, 50, false}, {1 << 63, 1 << 63, true}} {
		moved, err := generations.Confirm(t.Context(), map[int]uint64{projection.FirstGeneration: step.confirm})
		if err != nil || moved != step.moved {
			t.Errorf("confirm %d: moved %v, %v", step.confirm, moved, err)
		}
		got, err := log.CompleteThrough(t.Context())
		if err != nil || got != step.want {
			t.Errorf("confirm %d: complete through %d, %v, want %d", step.confirm, got, err, step.want)
		}
	}
}

func TestAReachHasTheCheckpointsOfEachGenerationThatIsFed(t *testing.T) {
	config := stack.New(t)
	store := open(t, config)
	generations := store.Generations()
	begun, _, err := generations.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	partition := projection.Partition{Topic: topic, TopicID: "id", Earliest: 10, End: 100}
	if _, err := store.Generation(begun.Number).Open(t.Context(), []projection.Partition{partition}); err != nil {
		t.Fatal(err)
	}
	promise := at(10)
	promise.Watermark = 7
	flush(t, store, promise)
	reaches, err := generations.Reaches(t.Context(), []string{topic, other})
	if err != nil || len(reaches) != 1 || reaches[0].Generation != projection.FirstGeneration {
		t.Fatalf("reaches %+v, %v", reaches, err)
	}
	want := projection.Checkpoint{TopicID: "id", FirstOffset: 10, NextOffset: 11, Watermark: 7}
	if got := reaches[0].Checkpoints[topic][0]; got != want {
		t.Errorf("checkpoint %+v, want %+v", got, want)
	}
}

func TestAGenerationThatIsLessCompleteDoesNotBecomeLive(t *testing.T) {
	config := stack.New(t)
	store := open(t, config)
	generations := store.Generations()
	begun, _, err := generations.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	number := begun.Number
	partition := projection.Partition{Topic: topic, TopicID: "id", Earliest: 10, End: 100}
	if _, err := store.Generation(number).Open(t.Context(), []projection.Partition{partition}); err != nil {
		t.Fatal(err)
	}
	if err := generations.Join(t.Context(), number); err != nil {
		t.Fatal(err)
	}
	if _, err := generations.Confirm(t.Context(), map[int]uint64{projection.FirstGeneration: 9, number: 8}); err != nil {
		t.Fatal(err)
	}
	if err := generations.Switch(t.Context(), number); !errors.Is(err, projection.ErrBehind) {
		t.Errorf("switch: %v", err)
	}
	if _, err := generations.Confirm(t.Context(), map[int]uint64{number: 9}); err != nil {
		t.Fatal(err)
	}
	if err := generations.Switch(t.Context(), number); err != nil {
		t.Errorf("switch: %v", err)
	}
}

func TestWhatWasEverReadMustStillBeThereForARebuild(t *testing.T) {
	config := stack.New(t)
	store := open(t, config) // it begins at 10
	generations := store.Generations()
	flush(t, store, at(10), at(11), at(12))
	begun, _, err := generations.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	number := begun.Number
	// Another generation, whose topic has lost its head, and the first one is
	// gone.
	later := projection.Partition{Topic: topic, TopicID: "id", Earliest: 12, End: 100}
	if _, err := store.Generation(number).Open(t.Context(), []projection.Partition{later}); err != nil {
		t.Fatal(err)
	}
	if err := store.Generation(number).Write(t.Context(), projection.Batch[domain.AuditEntry]{Topic: topic, From: 12, Next: 13}); err != nil {
		t.Fatal(err)
	}
	if err := generations.Join(t.Context(), number); err != nil {
		t.Fatal(err)
	}
	if err := generations.Switch(t.Context(), number); err != nil {
		t.Fatal(err)
	}
	if err := generations.Discard(t.Context(), projection.FirstGeneration); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		partition projection.Partition
		refused   bool
	}{
		"as it was":           {projection.Partition{Topic: topic, TopicID: "id", Earliest: 10, End: 13}, false},
		"the head is gone":    {later, true},
		"the end is gone":     {projection.Partition{Topic: topic, TopicID: "id", Earliest: 10, End: 12}, true},
		"another topic":       {projection.Partition{Topic: topic, TopicID: "other", Earliest: 10, End: 13}, true},
		"a partition unknown": {projection.Partition{Topic: topic, TopicID: "id", Partition: 1, Earliest: 5, End: 6}, false},
	} {
		_, err := generations.Guard(t.Context(), func(context.Context) ([]projection.Partition, error) {
			return []projection.Partition{tc.partition}, nil
		})
		if errors.Is(err, projection.ErrRetention) != tc.refused || err != nil != tc.refused {
			t.Errorf("%s: %v", name, err)
		}
	}
}
