package sink

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"helfy/devstack/feed/changefeed"
)

// topic is what the producer knows of a topic.
type topic struct {
	partitions      int32
	maxMessageBytes int // of a batch, as the topic is configured
}

// maxBatchBytes is Kafka's default for a topic that is not known.
func (t topic) maxBatchBytes() int32 {
	if t.partitions == 0 {
		return 1 << 20
	}
	return int32(min(t.maxMessageBytes, maxWriteBytes))
}

// topic returns what is known of a topic after Partitions.
func (p *Producer) topic(name string) topic {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.topics[name]
}

const (
	requestTimeout       = 10 * time.Second
	defaultPartitions    = 3
	topicOverhead        = 128 // what TiCDC keeps free below max.message.bytes
	maxMessageBytesEntry = "max.message.bytes"
)

// Partitions returns over how many partitions the changefeed spreads a topic,
// which it creates when it may and must.
func (p *Producer) Partitions(ctx context.Context, name string) (int32, error) {
	if t := p.topic(name); t.partitions > 0 {
		return t.partitions, nil
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	actual, err := p.lookUp(ctx, name)
	if err != nil {
		return 0, fmt.Errorf("look up topic %s: %w", name, err)
	}
	if actual == 0 {
		if actual, err = p.create(ctx, name); err != nil {
			return 0, err
		}
	}
	t := topic{partitions: actual}
	if wanted := p.target.PartitionNum; name == p.target.Topic && wanted > 0 {
		if wanted > actual {
			return 0, changefeed.Errorf(changefeed.ErrPartitionNum,
				"partition-num %d is more than the %d partitions of topic %s", wanted, actual, name)
		}
		t.partitions = wanted
	}
	if t.maxMessageBytes, err = p.maxMessageBytes(ctx, name); err != nil {
		return 0, fmt.Errorf("look up %s of topic %s: %w", maxMessageBytesEntry, name, err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.topics[name] = t
	return t.partitions, nil
}

// lookUp returns the number of partitions, 0 when there is no such topic.
func (p *Producer) lookUp(ctx context.Context, name string) (int32, error) {
	req := kmsg.NewPtrMetadataRequest()
	reqTopic := kmsg.NewMetadataRequestTopic()
	reqTopic.Topic = kmsg.StringPtr(name)
	req.Topics = append(req.Topics, reqTopic)
	resp, err := req.RequestWith(ctx, p.client)
	if err != nil {
		return 0, err
	}
	if len(resp.Topics) != 1 {
		return 0, fmt.Errorf("got %d answers", len(resp.Topics))
	}
	t := resp.Topics[0]
	if err = kerr.ErrorForCode(t.ErrorCode); errors.Is(err, kerr.UnknownTopicOrPartition) {
		return 0, nil
	}
	return int32(len(t.Partitions)), err
}

func (p *Producer) create(ctx context.Context, name string) (int32, error) {
	if !p.target.AutoCreateTopic {
		return 0, changefeed.Errorf(changefeed.ErrKafkaConfig, "topic %s does not exist and auto-create-topic is false", name)
	}
	req := kmsg.NewPtrCreateTopicsRequest()
	req.TimeoutMillis = int32(requestTimeout / time.Millisecond)
	t := kmsg.NewCreateTopicsRequestTopic()
	t.Topic, t.NumPartitions, t.ReplicationFactor = name, p.target.PartitionNum, p.target.ReplicationFactor
	if t.NumPartitions == 0 {
		t.NumPartitions = defaultPartitions
	}
	req.Topics = append(req.Topics, t)
	resp, err := req.RequestWith(ctx, p.client)
	if err != nil {
		return 0, fmt.Errorf("create topic %s: %w", name, err)
	}
	for _, created := range resp.Topics {
		if err := kerr.ErrorForCode(created.ErrorCode); err != nil && err != kerr.TopicAlreadyExists {
			return 0, fmt.Errorf("create topic %s: %w", name, err)
		}
	}
	return t.NumPartitions, nil
}

func (p *Producer) maxMessageBytes(ctx context.Context, name string) (int, error) {
	req := kmsg.NewPtrDescribeConfigsRequest()
	resource := kmsg.NewDescribeConfigsRequestResource()
	resource.ResourceType, resource.ResourceName = kmsg.ConfigResourceTypeTopic, name
	resource.ConfigNames = []string{maxMessageBytesEntry}
	req.Resources = append(req.Resources, resource)
	resp, err := req.RequestWith(ctx, p.client)
	if err != nil {
		return 0, err
	}
	for _, r := range resp.Resources {
		if err := kerr.ErrorForCode(r.ErrorCode); err != nil {
			return 0, err
		}
		for _, c := range r.Configs {
			if c.Name == maxMessageBytesEntry && c.Value != nil {
				return strconv.Atoi(*c.Value)
			}
		}
	}
	return maxWriteBytes, nil
}
