package projection

import (
	"errors"
	"testing"
)

func TestReadingGoesOnOnlyWhereNothingIsMissing(t *testing.T) {
	checkpoint := Checkpoint{TopicID: "id", FirstOffset: 0, NextOffset: 10}
	for name, test := range map[string]struct {
		kafka Partition
		want  error
	}{
		"all there":            {Partition{TopicID: "id", Earliest: 0, End: 20}, nil},
		"nothing new":          {Partition{TopicID: "id", Earliest: 0, End: 10}, nil},
		"the past was deleted": {Partition{TopicID: "id", Earliest: 10, End: 20}, nil},
		"unread records gone":  {Partition{TopicID: "id", Earliest: 11, End: 20}, ErrRetention},
		"read records gone":    {Partition{TopicID: "id", Earliest: 0, End: 9}, ErrRetention},
		"the topic is another": {Partition{TopicID: "other", Earliest: 0, End: 20}, ErrRetention},
		"another and empty":    {Partition{TopicID: "other"}, ErrRetention},
	} {
		if err := checkpoint.Check(test.kafka); !errors.Is(err, test.want) {
			t.Errorf("%s: got %v, want %v", name, err, test.want)
		}
	}
}
