// Package sink writes a changefeed's messages to Kafka.
package sink

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"helfy/devstack/feed/changefeed"
)

// Message is one record. TiCDC's changes have an empty key, its watermarks
// none; neither has headers.
type Message struct {
	Topic     string
	Partition int32
	Key       []byte
	Value     []byte
}

// recordOverhead is what TiCDC adds to a message when it compares it with
// max-message-bytes.
const recordOverhead = 36

// maxWriteBytes bounds a request to Kafka.
const maxWriteBytes = 1 << 30

// stalled is how long Kafka may be silent before that is reported.
const stalled = 3 * time.Second

// Producer writes in order and waits for Kafka as long as it takes. Only one
// goroutine may use it.
type Producer struct {
	client *kgo.Client
	target changefeed.Target
	report func(error)
	faults faults

	mu     sync.Mutex // guards topics, which the client's goroutines read
	topics map[string]topic
}

// New returns a producer that keeps report informed: an error while Kafka does
// not take messages, nil when it does again.
func New(target changefeed.Target, report func(error)) (*Producer, error) {
	p := &Producer{target: target, report: report, topics: map[string]topic{}}
	acks := kgo.AllISRAcks()
	if target.RequiredAcks == 1 {
		acks = kgo.LeaderAck()
	}
	client, err := kgo.NewClient(
		kgo.SeedBrokers(target.Brokers...),
		kgo.ClientID(clientID(target.ClientID)),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		// As TiCDC: no idempotence; order is kept by one request in flight.
		kgo.DisableIdempotentWrite(),
		kgo.MaxProduceRequestsInflightPerBroker(1),
		kgo.RequiredAcks(acks),
		kgo.ProducerBatchCompression(compression(target.Compression)),
		kgo.ProducerBatchMaxBytesFn(func(topic string) int32 { return p.topic(topic).maxBatchBytes() }),
		kgo.BrokerMaxWriteBytes(maxWriteBytes),
		kgo.ProducerLinger(0),
		kgo.RecordRetries(math.MaxInt),
		kgo.UnknownTopicRetries(-1),
		kgo.RetryBackoffFn(func(int) time.Duration { return 250 * time.Millisecond }),
		kgo.MetadataMinAge(250*time.Millisecond),
		kgo.DialTimeout(5*time.Second),
		kgo.WithHooks(&p.faults),
	)
	if err != nil {
		return nil, changefeed.Errorf(changefeed.ErrKafkaNew, "kafka client: %v", err)
	}
	p.client = client
	return p, nil
}

func clientID(id string) string {
	if id == "" {
		return "devstack-changefeed"
	}
	return id
}

func compression(name string) kgo.CompressionCodec {
	switch name {
	case "gzip":
		return kgo.GzipCompression()
	case "snappy":
		return kgo.SnappyCompression()
	case "lz4":
		return kgo.Lz4Compression()
	case "zstd":
		return kgo.ZstdCompression()
	}
	return kgo.NoCompression()
}

// Send writes the messages and returns when Kafka has acknowledged all of
// them. Those of one partition keep their order. After an error, or when ctx
// ends, any of them may or may not have been written.
func (p *Producer) Send(ctx context.Context, messages []Message) error {
	if len(messages) == 0 {
		return nil
	}
	done := make(chan struct{})
	errs := make(chan error, 1)
	var wg sync.WaitGroup
	wg.Add(len(messages))
	for _, m := range messages {
		record := &kgo.Record{Topic: m.Topic, Partition: m.Partition, Key: m.Key, Value: m.Value}
		p.client.Produce(ctx, record, func(_ *kgo.Record, err error) {
			if err != nil {
				select {
				case errs <- err:
				default:
				}
			}
			wg.Done()
		})
	}
	go func() {
		wg.Wait()
		close(done)
	}()
	if err := p.wait(ctx, done, errs); err != nil {
		return fmt.Errorf("write to Kafka: %w", err)
	}
	p.report(nil)
	return nil
}

func (p *Producer) wait(ctx context.Context, done <-chan struct{}, errs <-chan error) error {
	ticker := time.NewTicker(stalled)
	defer ticker.Stop()
	for {
		select {
		case <-done:
			select {
			case err := <-errs:
				return err
			default:
				return nil
			}
		case err := <-errs:
			return err
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
			p.report(changefeed.Errorf(changefeed.ErrKafkaSend, "Kafka at %v does not acknowledge: %v", p.target.Brokers, p.faults.last()))
		}
	}
}

// CheckSize returns an error of code ErrMessageTooLarge for a message that the
// topic does not take.
func (p *Producer) CheckSize(m Message) error {
	limit := min(p.target.MaxMessageBytes, p.topic(m.Topic).maxMessageBytes-topicOverhead)
	if size := len(m.Key) + len(m.Value) + recordOverhead; size > limit {
		return changefeed.Errorf(changefeed.ErrMessageTooLarge,
			"a message of %d bytes for topic %s is over max-message-bytes, %d", size, m.Topic, limit)
	}
	return nil
}

// Close gives up what has not been acknowledged.
func (p *Producer) Close() { p.client.Close() }

var errNoFault = errors.New("no broker has reported an error")
