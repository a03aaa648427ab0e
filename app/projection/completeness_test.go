package projection

import (
	"context"
	"errors"
	"testing"
)

// kafkaAndStore are the topics of a test, and what was read of them.
type kafkaAndStore struct {
	reaches    []Reach
	shapes     []Shape
	partitions map[string][]Partition
	// look, if set, runs when somebody looks at the topics.
	look func()
}

func (k *kafkaAndStore) Reaches(context.Context, []string) ([]Reach, error) {
	copied := make([]Reach, len(k.reaches))
	copy(copied, k.reaches)
	return copied, nil
}

func (k *kafkaAndStore) Confirm(_ context.Context, through map[int]uint64) (moved bool, err error) {
	for i := range k.reaches {
		if ts := through[k.reaches[i].Generation]; ts > k.reaches[i].Through {
			k.reaches[i].Through, moved = ts, true
		}
	}
	return moved, nil
}

func (k *kafkaAndStore) Shapes(context.Context, []string) ([]Shape, error) {
	if k.look != nil {
		k.look()
	}
	return k.shapes, nil
}

func (k *kafkaAndStore) Partitions(_ context.Context, topic string) ([]Partition, error) {
	return k.partitions[topic], nil
}

func (k *kafkaAndStore) completeness() Completeness {
	return Completeness{Topics: []string{"a", "b"}, Store: k, Kafka: k}
}

// two is a topic of two partitions and one of one, of which one generation
// has read all but what each case says.
func two(change func(*kafkaAndStore)) *kafkaAndStore {
	k := &kafkaAndStore{
		reaches: []Reach{{Generation: 1, Checkpoints: map[string]map[int32]Checkpoint{
			"a": {0: {TopicID: "a", NextOffset: 5, Watermark: 70}, 1: {TopicID: "a", NextOffset: 5, Watermark: 50}},
			"b": {0: {TopicID: "b", NextOffset: 5, Watermark: 60}},
		}}},
		shapes: []Shape{{Topic: "a", TopicID: "a", Partitions: 2}, {Topic: "b", TopicID: "b", Partitions: 1}},
		partitions: map[string][]Partition{
			"a": {{Topic: "a", TopicID: "a", End: 5}, {Topic: "a", TopicID: "a", Partition: 1, End: 5}},
			"b": {{Topic: "b", TopicID: "b", End: 5}},
		},
	}
	change(k)
	return k
}

func TestAGenerationIsAsCompleteAsAllPartitionsThatThereAre(t *testing.T) {
	silent := func(next int64) func(*kafkaAndStore) {
		return func(k *kafkaAndStore) {
			k.reaches[0].Checkpoints["a"][1] = Checkpoint{TopicID: "a", NextOffset: next}
		}
	}
	for name, tc := range map[string]struct {
		change func(*kafkaAndStore)
		want   uint64
		err    error
	}{
		"the least watermark":                   {func(*kafkaAndStore) {}, 50, nil},
		"never less than before":                {func(k *kafkaAndStore) { k.reaches[0].Through = 55 }, 55, nil},
		"a topic without any watermark":         {func(k *kafkaAndStore) { k.reaches[0].Checkpoints["b"][0] = Checkpoint{TopicID: "b"} }, 0, nil},
		"a topic that was never read":           {func(k *kafkaAndStore) { delete(k.reaches[0].Checkpoints, "b") }, 0, nil},
		"a partition without, not read":         {silent(4), 0, nil},
		"a partition without, all read":         {silent(5), 60, nil},
		"a partition without, cut":              {silent(6), 0, ErrRetention},
		"a partition that was added":            {func(k *kafkaAndStore) { k.shapes[1].Partitions = 2 }, 0, ErrUnread},
		"a topic that was recreated":            {func(k *kafkaAndStore) { k.shapes[0].TopicID = "other" }, 0, ErrRetention},
		"a partition added meanwhile":           {func(k *kafkaAndStore) { k.look = func() { k.shapes[1].Partitions = 2 } }, 0, ErrUnread},
		"a partition added while nothing moves": {func(k *kafkaAndStore) { k.reaches[0].Through, k.shapes[1].Partitions = 50, 2 }, 50, ErrUnread},
		"watermarks read after the look do not count": {func(k *kafkaAndStore) {
			k.look = func() {
				k.reaches[0].Checkpoints = map[string]map[int32]Checkpoint{"a": {0: {Watermark: 90}}, "b": {0: {Watermark: 90}}}
			}
		}, 50, nil},
	} {
		t.Run(name, func(t *testing.T) {
			k := two(tc.change)
			before := k.reaches[0].Through
			moved, err := k.completeness().Confirm(t.Context())
			if !errors.Is(err, tc.err) || (err != nil) != (tc.err != nil) {
				t.Errorf("got %v, want %v", err, tc.err)
			}
			if got := k.reaches[0].Through; got != tc.want || moved != (got != before) {
				t.Errorf("complete through %d, moved %v, want %d", got, moved, tc.want)
			}
		})
	}
}

func TestAwaitReturnsOnceWhatWasReadIsConfirmed(t *testing.T) {
	k := two(func(k *kafkaAndStore) { k.shapes[1].Partitions = 2 })
	looks := 0
	k.look = func() {
		if looks++; looks == 3 { // a consumer reads the partition that was added
			k.reaches[0].Checkpoints["b"][1] = Checkpoint{TopicID: "b", Watermark: 80}
		}
	}
	if err := k.completeness().Await(t.Context(), 1); err != nil || k.reaches[0].Through != 50 {
		t.Errorf("complete through %d, %v", k.reaches[0].Through, err)
	}
	if err := k.completeness().Await(t.Context(), 2); !errors.Is(err, ErrNoGeneration) {
		t.Errorf("a generation that is not there: %v", err)
	}
}
