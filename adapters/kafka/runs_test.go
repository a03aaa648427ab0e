package kafka

import (
	"bytes"
	"testing"
	"time"

	"github.com/IBM/sarama"
)

func record(offset int64, value string) *sarama.ConsumerMessage {
	return &sarama.ConsumerMessage{
		Topic: "topic", Partition: 3, Offset: offset, Timestamp: time.UnixMilli(1000 + offset), Value: []byte(value),
	}
}

func TestARunHasWhateverHasCome(t *testing.T) {
	records := make(chan *sarama.ConsumerMessage, 10)
	values := []string{"a", "", "ccc"}
	for i, value := range values[1:] {
		records <- record(int64(6+i), value)
	}
	run := gatherRun(record(5, values[0]), records)
	if run.Topic != "topic" || run.Partition != 3 || run.Offset != 7 {
		t.Errorf("the run is %s[%d]@%d", run.Topic, run.Partition, run.Offset)
	}
	got, err := unpack(run.Value)
	if err != nil || len(got) != len(values) {
		t.Fatalf("%d records, %v", len(got), err)
	}
	for i, r := range got {
		offset := int64(5 + i)
		if r.Offset != offset || string(r.Value) != values[i] || !r.At.Equal(time.UnixMilli(1000+offset)) {
			t.Errorf("record %d is %+v", i, r)
		}
	}
}

func TestARunIsBounded(t *testing.T) {
	for name, test := range map[string]struct {
		value string
		want  int
	}{
		"by its records": {"x", runRecords},
		"by its bytes":   {string(bytes.Repeat([]byte("x"), runBytes/2)), 2},
		"but takes one":  {string(bytes.Repeat([]byte("x"), 3*runBytes)), 1},
	} {
		t.Run(name, func(t *testing.T) {
			records := make(chan *sarama.ConsumerMessage, 2*runRecords)
			for i := range cap(records) {
				records <- record(int64(i+1), test.value)
			}
			got, err := unpack(gatherRun(record(0, test.value), records).Value)
			if err != nil || len(got) != test.want {
				t.Errorf("%d records, %v; want %d", len(got), err, test.want)
			}
		})
	}
}

func TestGatheringEndsWithTheClaimAndWithItsHandler(t *testing.T) {
	for name, end := range map[string]func(claim chan *sarama.ConsumerMessage, handled chan struct{}){
		"the claim":                  func(claim chan *sarama.ConsumerMessage, _ chan struct{}) { close(claim) },
		"the handler, nothing to do": func(_ chan *sarama.ConsumerMessage, handled chan struct{}) { close(handled) },
		"the handler, with something": func(claim chan *sarama.ConsumerMessage, handled chan struct{}) {
			claim <- record(1, "x")
			close(handled)
		},
	} {
		t.Run(name, func(t *testing.T) {
			messages, handled := make(chan *sarama.ConsumerMessage), make(chan struct{})
			claim := runClaim{ConsumerGroupClaim: claimOf(messages), runs: make(chan *sarama.ConsumerMessage)}
			ended := make(chan struct{})
			go func() { defer close(ended); claim.gather(handled) }()
			end(messages, handled)
			select {
			case <-ended:
			case <-time.After(10 * time.Second):
				t.Fatal("it goes on")
			}
			if _, open := <-claim.Messages(); open {
				t.Error("there is a run after the end")
			}
		})
	}
}

// claimOf is a claim of some messages.
type claimOf chan *sarama.ConsumerMessage

func (c claimOf) Messages() <-chan *sarama.ConsumerMessage { return c }
func (claimOf) Topic() string                              { return "topic" }
func (claimOf) Partition() int32                           { return 3 }
func (claimOf) InitialOffset() int64                       { return 0 }
func (claimOf) HighWaterMarkOffset() int64                 { return 0 }

func FuzzUnpack(f *testing.F) {
	f.Add(pack(pack(nil, record(1, "a")), record(2, "")))
	f.Add([]byte{2, 2, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, run []byte) {
		records, err := unpack(run)
		if err != nil {
			return
		}
		var again []byte
		for _, r := range records {
			again = pack(again, &sarama.ConsumerMessage{Offset: r.Offset, Timestamp: r.At, Value: r.Value})
		}
		back, err := unpack(again)
		if err != nil || len(back) != len(records) {
			t.Errorf("%d records became %d, %v", len(records), len(back), err)
		}
	})
}
