package kafka

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/IBM/sarama"
	"github.com/ThreeDotsLabs/watermill"
	wmkafka "github.com/ThreeDotsLabs/watermill-kafka/v3/pkg/kafka"
	"github.com/ThreeDotsLabs/watermill/message"

	"helfy/app/projection"
)

const (
	// sessionTimeout is how long a consumer that was killed holds its
	// partitions: the least that brokers allow by default.
	sessionTimeout = 6 * time.Second
	heartbeat      = 2 * time.Second
	// rebalanceTimeout is how long a rebalance waits for members that do not
	// join again.
	rebalanceTimeout = 10 * time.Second
	// resendAfter is the pause before a record whose write failed is tried
	// again.
	resendAfter = time.Second
)

// Subscriber returns a Watermill subscriber for a consumer group that
// starts at the oldest record. It keeps one message of each partition in
// flight, which carries a run of records; Records returns them.
func (c Cluster) Subscriber(group string, log watermill.LoggerAdapter) (message.Subscriber, error) {
	config, err := c.newConfig(context.Background()) // Close ends it
	if err != nil {
		return nil, err
	}
	config.Consumer.Return.Errors = true
	config.Consumer.Offsets.Initial = sarama.OffsetOldest
	// An offset that Kafka no longer has must not be skipped in silence.
	config.Consumer.Group.ResetInvalidOffsets = false
	config.Consumer.Group.Session.Timeout = sessionTimeout
	config.Consumer.Group.Heartbeat.Interval = heartbeat
	config.Consumer.Group.Rebalance.Timeout = rebalanceTimeout
	// The answer to a join comes when the rebalance is over. A client that
	// gives up earlier comes again as another member, while the broker waits
	// for the first one, and so on for ever.
	config.Net.ReadTimeout = 2 * rebalanceTimeout
	return wmkafka.NewSubscriber(wmkafka.SubscriberConfig{
		Brokers:               c.Brokers,
		ConsumerGroup:         group,
		Unmarshaler:           unmarshaler{},
		OverwriteSaramaConfig: config,
		NackResendSleep:       resendAfter,
		Tracer:                inRuns{},
	}, log)
}

// unmarshaler cannot fail: a failure would restart the session for ever. What
// a record says is decoded by whoever handles it.
type unmarshaler struct{}

// The metadata of a message.
const (
	metaTopic     = "topic"
	metaPartition = "partition"
)

func (unmarshaler) Unmarshal(run *sarama.ConsumerMessage) (*message.Message, error) {
	msg := message.NewMessage(watermill.NewShortUUID(), run.Value)
	msg.Metadata.Set(metaTopic, run.Topic)
	msg.Metadata.Set(metaPartition, strconv.FormatInt(int64(run.Partition), 10))
	return msg, nil
}

// Records returns the Kafka records that a message of Subscriber carries.
func (Cluster) Records(msg *message.Message) ([]projection.Record, error) {
	partition, err := strconv.ParseInt(msg.Metadata.Get(metaPartition), 10, 32)
	if err != nil {
		return nil, fmt.Errorf("partition: %w", err)
	}
	records, err := unpack(msg.Payload)
	for i := range records {
		records[i].Topic, records[i].Partition = msg.Metadata.Get(metaTopic), int32(partition)
	}
	return records, err
}
