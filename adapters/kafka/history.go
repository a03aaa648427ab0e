package kafka

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/IBM/sarama"

	"helfy/app/projection"
	"helfy/app/verification"
)

// History implements verification.Topics: what topics held at one moment,
// read without a consumer group.
type History struct {
	cluster    Cluster
	partitions []projection.Partition
}

var _ verification.Topics = History{}

// History returns what the topics hold now.
func (c Cluster) History(ctx context.Context, topics ...string) (History, error) {
	history := History{cluster: c}
	for _, topic := range topics {
		partitions, err := c.Partitions(ctx, topic)
		if err != nil {
			return History{}, err
		}
		history.partitions = append(history.partitions, partitions...)
	}
	return history, nil
}

// Partitions implements verification.Topics.
func (h History) Partitions() []projection.Partition { return h.partitions }

const (
	// silence is how long a partition may give nothing before its end.
	silence = 30 * time.Second
	// The bounds of what is read ahead in each partition: records that wait,
	// and bytes of an answer of which records are made.
	aheadRecords = 1024
	aheadBytes   = 1 << 20
	// fetchWait is how long a broker waits for new records, and so how long
	// Close takes.
	fetchWait = 100 * time.Millisecond
)

// Read implements verification.Topics. Each partition has a connection of its
// own: a broker answers the requests of one in their order, so that a partition
// that is at its end would hold up the others.
func (h History) Read(ctx context.Context) (verification.Reader, error) {
	config, err := h.cluster.newConfig(ctx)
	if err != nil {
		return nil, err
	}
	config.ChannelBufferSize = aheadRecords
	config.Consumer.Fetch.Default = aheadBytes
	config.Consumer.MaxWaitTime = fetchWait
	config.Consumer.Return.Errors = true
	reader := &historyReader{ctx: ctx, parts: make([]historyPart, len(h.partitions))}
	for i, p := range h.partitions {
		if err := reader.open(i, p, h.cluster, config); err != nil {
			return nil, errors.Join(fmt.Errorf("read %s: %w", p, err), reader.Close())
		}
	}
	return reader, nil
}

type historyReader struct {
	ctx   context.Context
	parts []historyPart
}

type historyPart struct {
	projection.Partition
	next     int64
	consumer sarama.Consumer
	records  sarama.PartitionConsumer // nil for a partition that is empty
}

func (r *historyReader) open(i int, p projection.Partition, cluster Cluster, config *sarama.Config) (err error) {
	part := &r.parts[i]
	part.Partition, part.next = p, p.Earliest
	if p.Earliest == p.End {
		return nil
	}
	if part.consumer, err = sarama.NewConsumer(cluster.Brokers, config); err != nil {
		return fmt.Errorf("connect to Kafka at %v: %w", cluster.Brokers, cluster.explain(err))
	}
	part.records, err = part.consumer.ConsumePartition(p.Topic, p.Partition, p.Earliest)
	return err
}

// Next implements verification.Reader.
func (r *historyReader) Next(partition int) (projection.Record, error) {
	part := &r.parts[partition]
	if part.next >= part.End {
		return projection.Record{}, io.EOF
	}
	message, err := r.receive(part)
	if err != nil {
		return projection.Record{}, err
	}
	if part.next = message.Offset + 1; part.next >= part.End {
		part.records.AsyncClose() // there is no need to wait for more
	}
	if part.next > part.End {
		return projection.Record{}, io.EOF // the last ones before End are not there
	}
	return projection.Record{
		Topic: message.Topic, Partition: message.Partition, Offset: message.Offset,
		Value: message.Value, At: message.Timestamp.UTC(),
	}, nil
}

func (r *historyReader) receive(part *historyPart) (*sarama.ConsumerMessage, error) {
	select {
	case message, ok := <-part.records.Messages():
		if ok {
			return message, nil
		}
	default: // the timer below is for those who wait
	}
	timer := time.NewTimer(silence)
	defer timer.Stop()
	var last error
	for {
		select {
		case message, ok := <-part.records.Messages():
			if !ok {
				return nil, whyEnded(part.records)
			}
			return message, nil
		case fault := <-part.records.Errors():
			if fault == nil {
				return nil, whyEnded(part.records)
			}
			last = fault.Err // the client tries again, or closes Messages
		case <-timer.C:
			return nil, errors.Join(fmt.Errorf("no record for %s", silence), last)
		case <-r.ctx.Done():
			return nil, r.ctx.Err()
		}
	}
}

// whyEnded returns what a client said that has given up, which it does when
// retention takes the records away meanwhile.
func whyEnded(records sarama.PartitionConsumer) error {
	faults := []error{errors.New("kafka's client has given up")}
	for fault := range records.Errors() {
		faults = append(faults, fault.Err)
	}
	return errors.Join(faults...)
}

// Close implements verification.Reader.
func (r *historyReader) Close() error {
	for _, part := range r.parts {
		if part.records != nil {
			part.records.AsyncClose()
		}
	}
	var faults []error
	for _, part := range r.parts {
		if part.records != nil {
			// It returns what went wrong and was tried again: nobody waits
			// for records any more.
			_ = part.records.Close()
		}
		if part.consumer != nil {
			faults = append(faults, part.consumer.Close())
		}
	}
	if err := errors.Join(faults...); err != nil && r.ctx.Err() == nil {
		return fmt.Errorf("close Kafka client: %w", err)
	}
	return nil
}
