package kafka

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/IBM/sarama"
)

// Topic is a topic as it must be.
type Topic struct {
	Name        string
	Partitions  int
	Replication int
}

// topicConfig is what every topic needs: rows are kept for ever, because
// projections are rebuilt by reading them again, and never compacted, because
// they have no key.
var topicConfig = map[string]string{
	"retention.ms":    "-1",
	"retention.bytes": "-1",
	"cleanup.policy":  "delete",
}

// ErrTopicDiffers says that a topic exists, but not as it must be.
var ErrTopicDiffers = errors.New("topic differs")

// EnsureTopics creates the topics that are missing and checks those that
// exist. It returns the names of the created ones; its error joins every
// difference, each of which wraps ErrTopicDiffers and names the topic.
func (c Cluster) EnsureTopics(ctx context.Context, topics ...Topic) (created []string, err error) {
	err = c.withAdmin(ctx, func(admin sarama.ClusterAdmin) error {
		var faults []error
		for _, topic := range topics {
			made, err := ensureTopic(ctx, admin, topic)
			if made {
				created = append(created, topic.Name)
			}
			faults = append(faults, err)
		}
		return errors.Join(faults...)
	})
	return created, err
}

// ErrNoTopic says that a topic is missing.
var ErrNoTopic = errors.New("there is no topic")

// InspectTopics returns what is wrong with topics, ErrNoTopic or
// ErrTopicDiffers each, and an error if that cannot be found out.
func (c Cluster) InspectTopics(ctx context.Context, topics ...Topic) (faults []error, err error) {
	err = c.withAdmin(ctx, func(admin sarama.ClusterAdmin) error {
		for _, topic := range topics {
			err := checkTopic(admin, topic)
			var joined interface{ Unwrap() []error }
			switch {
			case err == nil:
			case errors.Is(err, sarama.ErrUnknownTopicOrPartition):
				faults = append(faults, fmt.Errorf("%w %s", ErrNoTopic, topic.Name))
			case errors.Is(err, ErrTopicDiffers) && errors.As(err, &joined):
				faults = append(faults, joined.Unwrap()...)
			default:
				return err
			}
		}
		return nil
	})
	return faults, err
}

// CheckTopics reports whether the topics are there.
func (c Cluster) CheckTopics(ctx context.Context, names ...string) error {
	return c.withAdmin(ctx, func(admin sarama.ClusterAdmin) error {
		var faults []error
		for _, name := range names {
			_, err := describe(admin, name)
			if errors.Is(err, sarama.ErrUnknownTopicOrPartition) {
				err = fmt.Errorf("%w %s: run helfy topics ensure", ErrNoTopic, name)
			}
			faults = append(faults, err)
		}
		return errors.Join(faults...)
	})
}

func ensureTopic(ctx context.Context, admin sarama.ClusterAdmin, topic Topic) (created bool, err error) {
	settings := make(map[string]*string, len(topicConfig))
	for name, value := range topicConfig {
		settings[name] = &value
	}
	err = admin.CreateTopic(topic.Name, &sarama.TopicDetail{
		NumPartitions: int32(topic.Partitions), ReplicationFactor: int16(topic.Replication), ConfigEntries: settings,
	}, false)
	created = err == nil
	if !created && !errors.Is(err, sarama.ErrTopicAlreadyExists) {
		return false, fmt.Errorf("create topic %s: %w", topic.Name, err)
	}
	// One that exists may be just as new: made by another process at once.
	if err := awaitTopic(ctx, admin, topic); err != nil || created {
		return created, err
	}
	return false, checkTopic(admin, topic)
}

// visibleTimeout bounds the wait for a new topic.
const visibleTimeout = 10 * time.Second

// awaitTopic waits until a topic that was just created can be used: Kafka
// answers when its controller knows the topic, and the broker learns of it
// some milliseconds later.
func awaitTopic(ctx context.Context, admin sarama.ClusterAdmin, topic Topic) error {
	ctx, cancel := context.WithTimeout(ctx, visibleTimeout)
	defer cancel()
	for {
		_, err := describe(admin, topic.Name)
		if !errors.Is(err, sarama.ErrUnknownTopicOrPartition) {
			return err
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", ctx.Err(), err)
		}
	}
}

func checkTopic(admin sarama.ClusterAdmin, topic Topic) error {
	described, err := describe(admin, topic.Name)
	if err != nil {
		return err
	}
	var faults []error
	if got := len(described.Partitions); got != topic.Partitions {
		faults = append(faults, fmt.Errorf("%w: %s has %d partitions, want %d", ErrTopicDiffers, topic.Name, got, topic.Partitions))
	}
	settings, err := settingsOf(admin, topic.Name)
	if err != nil {
		return err
	}
	if least, err := strconv.Atoi(settings["min.insync.replicas"]); err == nil && least > topic.Replication {
		faults = append(faults, fmt.Errorf("%w: %s has min.insync.replicas=%d and %d replicas: nobody can write to it", ErrTopicDiffers, topic.Name, least, topic.Replication))
	}
	for name, want := range topicConfig {
		if got := settings[name]; got != want {
			faults = append(faults, fmt.Errorf("%w: %s has %s=%s, want %s", ErrTopicDiffers, topic.Name, name, got, want))
		}
	}
	for _, partition := range described.Partitions {
		if got := len(partition.Replicas); got < topic.Replication {
			faults = append(faults, fmt.Errorf("%w: %s[%d] has %d replicas, want %d", ErrTopicDiffers, topic.Name, partition.ID, got, topic.Replication))
		}
	}
	return errors.Join(faults...)
}

func settingsOf(admin sarama.ClusterAdmin, name string) (map[string]string, error) {
	answers, err := admin.DescribeConfigs(
		[]*sarama.ConfigResource{{Type: sarama.TopicResource, Name: name}}, sarama.DescribeConfigsOptions{})
	if err != nil {
		return nil, fmt.Errorf("read settings of topic %s: %w", name, err)
	}
	if len(answers) != 1 || !errors.Is(answers[0].ErrorCode, sarama.ErrNoError) {
		return nil, fmt.Errorf("read settings of topic %s: refused", name)
	}
	settings := map[string]string{}
	for _, entry := range answers[0].Configs {
		settings[entry.Name] = entry.Value
	}
	return settings, nil
}

func describe(admin sarama.ClusterAdmin, name string) (*sarama.TopicMetadata, error) {
	topics, err := admin.DescribeTopics([]string{name})
	if err != nil {
		return nil, fmt.Errorf("describe topic %s: %w", name, err)
	}
	if len(topics) != 1 {
		return nil, fmt.Errorf("describe topic %s: got %d answers", name, len(topics))
	}
	if topics[0].Err != sarama.ErrNoError {
		return nil, fmt.Errorf("describe topic %s: %w", name, topics[0].Err)
	}
	return topics[0], nil
}
