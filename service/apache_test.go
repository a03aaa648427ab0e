//go:build apachekafka

package service_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"helfy/adapters/kafka"
	"helfy/internal/stack"
	"helfy/service"
)

// metadata.version is a level that a KRaft controller of Apache Kafka has
// agreed on with its brokers.
func TestTheBrokerIsApacheKafka(t *testing.T) {
	config := stack.New(t)
	client, err := kgo.NewClient(kgo.SeedBrokers(config.KafkaBrokers...))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	request := kmsg.NewPtrApiVersionsRequest()
	request.Version, request.ClientSoftwareName, request.ClientSoftwareVersion = 3, "helfy", "1"
	response, err := request.RequestWith(t.Context(), client)
	if err != nil || kerr.ErrorForCode(response.ErrorCode) != nil {
		t.Fatal(err, kerr.ErrorForCode(response.ErrorCode))
	}
	level := slices.IndexFunc(response.FinalizedFeatures, func(f kmsg.ApiVersionsResponseFinalizedFeature) bool {
		return f.Name == "metadata.version" && f.MaxVersionLevel > 0
	})
	if level < 0 {
		t.Errorf("its features are %+v", response.FinalizedFeatures)
	}
}

// setRetention has the broker delete whatever is older than a second.
func setRetention(t *testing.T, config service.Config, topic string) {
	t.Helper()
	administrate(t, config, func(admin sarama.ClusterAdmin) error {
		second := "1000"
		return admin.IncrementalAlterConfig(sarama.TopicResource, topic, map[string]sarama.IncrementalAlterConfigsEntry{
			"retention.ms": {Operation: sarama.IncrementalAlterConfigsOperationSet, Value: &second},
			"segment.ms":   {Operation: sarama.IncrementalAlterConfigsOperationSet, Value: &second},
		}, false)
	})
}

// awaitDeletion waits until the broker has deleted records of partition 0 from
// an offset on, and returns what is the first one now.
func awaitDeletion(t *testing.T, config service.Config, topic string, from int) (first int) {
	t.Helper()
	stack.Eventually(t, wait, func() error {
		partitions, err := kafka.Cluster{Brokers: config.KafkaBrokers}.Partitions(t.Context(), topic)
		if err != nil {
			return err
		}
		if first = int(partitions[0].Earliest); first <= from {
			return fmt.Errorf("%s begins at %d, want more than %d", partitions[0], first, from)
		}
		return nil
	})
	return first
}

func TestRecordsThatAFiniteRetentionDeletesBeforeTheyAreReadStopTheConsumer(t *testing.T) {
	config, _, _, stop := newLog(t)
	if _, err := config.EnsureTopics(t.Context()); err != nil {
		t.Errorf("topics as they must be: %v", err)
	}
	stop()
	client := stack.Serve(t, config)
	next := nextOffset(t, config, config.ChangesTopic)
	setRetention(t, config, config.ChangesTopic)
	first := awaitDeletion(t, config, config.ChangesTopic, next)
	t.Logf("read up to %d, and the broker has deleted what was before %d", next, first)

	_, err := config.EnsureTopics(t.Context())
	if want := config.ChangesTopic + " has retention.ms=1000, want -1"; !errors.Is(err, kafka.ErrTopicDiffers) || !strings.Contains(err.Error(), want) {
		t.Errorf("topics ensure: %v, want %s", err, want)
	}
	reason := fmt.Sprintf("%s[0] begins at offset ", config.ChangesTopic)
	stack.RunUntilLog(t, config, reason)
	requireStalled(t, client, reason)
	requireNoRebuild(t, config, reason)
	if after := nextOffset(t, config, config.ChangesTopic); after != next {
		t.Errorf("the consumer has skipped from %d to %d", next, after)
	}
	login(t, client, "admin") // logins do not need it
}

func TestRecordsThatAFiniteRetentionDeletesAfterTheyWereReadForbidOnlyARebuild(t *testing.T) {
	config, client, token, _ := newLog(t)
	setRetention(t, config, config.EventsTopic)
	awaitDeletion(t, config, config.EventsTopic, 0)
	requireNoRebuild(t, config, config.EventsTopic+"[0] begins at offset ")
	eventuallyComplete(t, client, token)
}
