package kafka

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"helfy/app/projection"
)

// Observer looks at topics again and again over connections that it keeps. It
// is safe for concurrent use. Close it.
type Observer struct {
	Cluster
	client *kgo.Client
}

var _ projection.Shapes = (*Observer)(nil)

// Observer returns one, without connecting.
func (c Cluster) Observer() (*Observer, error) {
	client, err := c.newClient()
	if err != nil {
		return nil, err
	}
	return &Observer{Cluster: c, client: client}, nil
}

// Close ends the connections.
func (o *Observer) Close() { o.client.Close() }

// Shapes implements projection.Shapes. It asks every broker that is up: each
// answers what it knows, and one may not have heard yet of a partition that
// another one has told the changefeed of.
func (o *Observer) Shapes(ctx context.Context, topics []string) ([]projection.Shape, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	answer, err := o.metadata(ctx, o.client, topics)
	if err != nil {
		return nil, err
	}
	shapes, err := shapesOf(answer, topics)
	if err != nil || len(answer.Brokers) == 1 {
		return shapes, err
	}
	for _, broker := range answer.Brokers {
		answer, err := o.metadata(ctx, o.client.Broker(int(broker.NodeID)), topics)
		if err != nil {
			return nil, err
		}
		others, err := shapesOf(answer, topics)
		if err != nil {
			return nil, err
		}
		for i, other := range others {
			if other.TopicID != shapes[i].TopicID {
				return nil, fmt.Errorf("brokers disagree about topic %s: its id is %s or %s", other.Topic, shapes[i].TopicID, other.TopicID)
			}
			shapes[i].Partitions = max(shapes[i].Partitions, other.Partitions)
		}
	}
	return shapes, nil
}

// requestor is a client, which asks any broker, or a broker of it.
type requestor interface {
	Request(ctx context.Context, request kmsg.Request) (kmsg.Response, error)
}

func (c Cluster) metadata(ctx context.Context, from requestor, topics []string) (*kmsg.MetadataResponse, error) {
	request := kmsg.NewPtrMetadataRequest()
	request.AllowAutoTopicCreation = false
	for _, name := range topics {
		topic := kmsg.NewMetadataRequestTopic()
		topic.Topic = kmsg.StringPtr(name)
		request.Topics = append(request.Topics, topic)
	}
	answer, err := from.Request(ctx, request)
	if err != nil {
		return nil, fmt.Errorf("describe topics %v: %w", topics, c.explain(err))
	}
	return answer.(*kmsg.MetadataResponse), nil
}

// shapesOf returns the topics in their order.
func shapesOf(answer *kmsg.MetadataResponse, topics []string) ([]projection.Shape, error) {
	shapes := make([]projection.Shape, len(topics))
	for i, name := range topics {
		described := topicNamed(answer, name)
		if described == nil {
			return nil, fmt.Errorf("describe topic %s: no answer", name)
		}
		err := kerr.ErrorForCode(described.ErrorCode)
		if errors.Is(err, kerr.UnknownTopicOrPartition) {
			return nil, fmt.Errorf("%w: there is no topic %s", projection.ErrRetention, name)
		}
		if err != nil {
			return nil, fmt.Errorf("describe topic %s: %w", name, err)
		}
		shapes[i] = projection.Shape{
			Topic: name, TopicID: uuid.UUID(described.TopicID).String(), Partitions: int32(len(described.Partitions)),
		}
	}
	return shapes, nil
}

func topicNamed(answer *kmsg.MetadataResponse, name string) *kmsg.MetadataResponseTopic {
	for i, topic := range answer.Topics {
		if topic.Topic != nil && *topic.Topic == name {
			return &answer.Topics[i]
		}
	}
	return nil
}
