package kafka

import (
	"encoding/binary"
	"errors"
	"sync"
	"time"

	"github.com/IBM/sarama"
	wmkafka "github.com/ThreeDotsLabs/watermill-kafka/v3/pkg/kafka"

	"helfy/app/projection"
)

// The bounds of a run: so many records of one partition make a transaction of
// the database worth its price, and no run is more than this beyond its first
// record.
const (
	runRecords = 128
	runBytes   = 256 << 10
)

// inRuns lets watermill-kafka, which waits for the acknowledgement of each
// message before it takes the next one of the partition, take runs of records
// for messages: whatever has come by then. It is a tracer because tracers are
// what the library lets stand between it and its client; it traces nothing.
type inRuns struct{}

var _ wmkafka.SaramaTracer = inRuns{}

// WrapConsumerGroupHandler implements wmkafka.SaramaTracer.
func (inRuns) WrapConsumerGroupHandler(h sarama.ConsumerGroupHandler) sarama.ConsumerGroupHandler {
	return runHandler{h}
}

// WrapConsumer implements wmkafka.SaramaTracer.
func (inRuns) WrapConsumer(c sarama.Consumer) sarama.Consumer { return c }

// WrapPartitionConsumer implements wmkafka.SaramaTracer.
func (inRuns) WrapPartitionConsumer(c sarama.PartitionConsumer) sarama.PartitionConsumer { return c }

// WrapSyncProducer implements wmkafka.SaramaTracer.
func (inRuns) WrapSyncProducer(_ *sarama.Config, p sarama.SyncProducer) sarama.SyncProducer { return p }

type runHandler struct{ sarama.ConsumerGroupHandler }

// ConsumeClaim implements sarama.ConsumerGroupHandler.
func (h runHandler) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	runs := runClaim{ConsumerGroupClaim: claim, runs: make(chan *sarama.ConsumerMessage)}
	handled := make(chan struct{})
	var gathering sync.WaitGroup
	gathering.Go(func() { runs.gather(handled) })
	defer gathering.Wait()
	defer close(handled)
	return h.ConsumerGroupHandler.ConsumeClaim(session, runs)
}

// runClaim is a claim whose messages are runs.
type runClaim struct {
	sarama.ConsumerGroupClaim
	runs chan *sarama.ConsumerMessage
}

// Messages implements sarama.ConsumerGroupClaim.
func (c runClaim) Messages() <-chan *sarama.ConsumerMessage { return c.runs }

// gather makes runs until the claim ends or nobody handles them any more.
func (c runClaim) gather(handled <-chan struct{}) {
	defer close(c.runs)
	records := c.ConsumerGroupClaim.Messages()
	for {
		select {
		case first, open := <-records:
			if !open {
				return
			}
			select {
			case c.runs <- gatherRun(first, records):
			case <-handled:
				return
			}
		case <-handled:
			return
		}
	}
}

// gatherRun returns a run of a record and those that have come after it. Its
// offset is the last one's: that is what its acknowledgement commits.
func gatherRun(first *sarama.ConsumerMessage, records <-chan *sarama.ConsumerMessage) *sarama.ConsumerMessage {
	run := &sarama.ConsumerMessage{
		Topic: first.Topic, Partition: first.Partition, Offset: first.Offset, Timestamp: first.Timestamp, Value: pack(nil, first),
	}
	for count := 1; count < runRecords && len(run.Value) < runBytes; count++ {
		select {
		case next, open := <-records:
			if !open {
				return run
			}
			run.Offset, run.Value = next.Offset, pack(run.Value, next)
		default:
			return run
		}
	}
	return run
}

// pack appends a record to a run's bytes: its offset, its timestamp in
// milliseconds, the length of its value, and that.
func pack(run []byte, record *sarama.ConsumerMessage) []byte {
	run = binary.AppendVarint(run, record.Offset)
	run = binary.AppendVarint(run, record.Timestamp.UnixMilli())
	run = binary.AppendUvarint(run, uint64(len(record.Value)))
	return append(run, record.Value...)
}

var errNoRun = errors.New("malformed run of records")

// unpack returns the records of a run, without topic and partition.
func unpack(run []byte) ([]projection.Record, error) {
	var records []projection.Record
	for len(run) > 0 {
		offset, n := binary.Varint(run)
		if n <= 0 {
			return nil, errNoRun
		}
		run = run[n:]
		millis, n := binary.Varint(run)
		if n <= 0 {
			return nil, errNoRun
		}
		run = run[n:]
		length, n := binary.Uvarint(run)
		if n <= 0 || length > uint64(len(run)-n) {
			return nil, errNoRun
		}
		value := run[n : n+int(length)]
		run = run[n+int(length):]
		records = append(records, projection.Record{Offset: offset, Value: value, At: time.UnixMilli(millis).UTC()})
	}
	return records, nil
}
