package service_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/IBM/sarama"

	"helfy/app/projection"
	"helfy/domain"
	"helfy/internal/stack"
	"helfy/service"
)

// administrate changes topics as an operator can.
func administrate(t *testing.T, config service.Config, work func(sarama.ClusterAdmin) error) {
	t.Helper()
	admin, err := sarama.NewClusterAdmin(config.KafkaBrokers, sarama.NewConfig())
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(work(admin), admin.Close()); err != nil {
		t.Fatal(err)
	}
}

// deleteHead deletes the records of a topic's partition 0 before an offset.
func deleteHead(t *testing.T, config service.Config, topic string, before int) {
	t.Helper()
	administrate(t, config, func(admin sarama.ClusterAdmin) error {
		return admin.DeleteRecords(topic, map[int32]int64{0: int64(before)})
	})
}

// nextOffset is how far a topic's partition 0 was read.
func nextOffset(t *testing.T, config service.Config, topic string) int {
	t.Helper()
	return scalar[int](t, config, "SELECT MAX(next_offset) FROM projection_checkpoints WHERE topic = ? AND kafka_partition = 0", topic)
}

// recreate deletes a topic and makes it anew, empty. The changefeed is gone
// before, so that it does not write to it.
func recreate(t *testing.T, config service.Config, topic string) {
	t.Helper()
	stack.RemoveChangefeed(t.Context(), t, config)
	administrate(t, config, func(admin sarama.ClusterAdmin) error { return admin.DeleteTopic(topic) })
	stack.Eventually(t, wait, func() error {
		_, err := config.EnsureTopics(t.Context())
		return err
	})
}

// requireStalled waits until /health says that the projections stand still,
// and why.
func requireStalled(t *testing.T, client *stack.Client, reason string) {
	t.Helper()
	stack.Eventually(t, wait, func() error {
		health := string(call(t, client, "GET", "/health", "", 200))
		if !strings.Contains(health, `"stalled":"audit: kafka does not hold what the checkpoint needs: `+reason) {
			return errors.New(health)
		}
		return nil
	})
}

// requireNoRebuild checks that a rebuild is refused with a reason and leaves
// nothing behind.
func requireNoRebuild(t *testing.T, config service.Config, reason string) {
	t.Helper()
	code, said := stack.RunCommand(t, config, "", "rebuild", projection.AuditName)
	if code == 0 || !strings.Contains(said, reason) {
		t.Errorf("the rebuild ended with %d and said %s, want %q", code, said, reason)
	}
	if n := scalar[int](t, config, "SELECT COUNT(*) FROM projection_generations WHERE projection = 'audit' AND state NOT IN ('live', 'pruned')"); n != 0 {
		t.Errorf("the refused rebuild has left %d generations", n)
	}
}

func TestARebuildIsRefusedOnceTheHeadOfATopicIsGone(t *testing.T) {
	config, client, token, _ := newLog(t)
	first := nextOffset(t, config, config.ChangesTopic)
	deleteHead(t, config, config.ChangesTopic, first)
	reason := fmt.Sprintf("%s[0] begins at offset %d, offsets 0 to %d are gone", config.ChangesTopic, first, first-1)
	requireNoRebuild(t, config, reason)
	// What was read is in the log: the consumers need not read it again.
	eventuallyComplete(t, client, token)
	if health := string(call(t, client, "GET", "/health", "", 200)); strings.Contains(health, "stalled") {
		t.Error(health)
	}
}

func TestWhatWasOnceReadIsNotForgottenWithItsGeneration(t *testing.T) {
	config, _, _, stop := newLog(t)
	if rebuilt, err := rebuild(t, config, projection.RebuildOptions{}); err != nil || !rebuilt.Switched {
		t.Fatalf("%+v, %v", rebuilt, err)
	}
	stop()
	// As if the second generation had begun only after the deletion.
	first := nextOffset(t, config, config.EventsTopic)
	deleteHead(t, config, config.EventsTopic, first)
	exec(t, config, fmt.Sprintf("UPDATE projection_checkpoints SET first_offset = %d WHERE generation = 2 AND topic = '%s' AND kafka_partition = 0", first, config.EventsTopic))
	if _, err := config.Prune(t.Context(), projection.AuditName); err != nil {
		t.Fatal(err)
	}
	requireNoRebuild(t, config, fmt.Sprintf("%s[0] begins at offset %d, offsets 0 to %d are gone", config.EventsTopic, first, first-1))
}

func TestRecordsThatAreGoneBeforeTheyWereReadStopTheConsumer(t *testing.T) {
	config, _, _, stop := newLog(t)
	stop()
	next := nextOffset(t, config, config.ChangesTopic)
	client := stack.Serve(t, config)
	login(t, client, "admin")
	stack.Eventually(t, wait, func() error { // the feed writes watermarks at least
		partitions, err := config.Kafka().Partitions(t.Context(), config.ChangesTopic)
		if err == nil && partitions[0].End < int64(next)+2 {
			err = fmt.Errorf("%s ends at %d", partitions[0], partitions[0].End)
		}
		return err
	})
	first := next + 2
	deleteHead(t, config, config.ChangesTopic, first)
	reason := fmt.Sprintf("%s[0] begins at offset %d, offsets %d to %d are gone", config.ChangesTopic, first, next, first-1)
	stack.RunUntilLog(t, config, reason)
	requireStalled(t, client, reason)
	requireNoRebuild(t, config, config.ChangesTopic+"[0] begins at offset")
	if after := nextOffset(t, config, config.ChangesTopic); after != next {
		t.Errorf("the consumer has skipped from %d to %d", next, after)
	}
}

func TestATopicThatIsRecreatedWhileItIsReadStopsTheConsumer(t *testing.T) {
	config := stack.New(t)
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	client := stack.Serve(t, config)
	consumer := stack.Start(t, config, "consume")
	eventuallyComplete(t, client, login(t, client, "admin"))
	recreate(t, config, config.EventsTopic)
	reason := "topic " + config.EventsTopic + " was recreated"
	requireStalled(t, client, reason)
	stack.Eventually(t, time.Minute, func() error {
		if !strings.Contains(consumer.Said(), reason) {
			return errors.New("the consumer does not say it")
		}
		return nil
	})
	before := strings.Count(consumer.Said(), "\n")
	stack.Pause(t, 3*time.Second)
	t.Logf("%d lines were written until the consumer stopped", before)
	if lines := strings.Count(consumer.Said(), "\n") - before; lines > 10 {
		t.Errorf("the consumer has written %d lines in three seconds", lines)
	}
	requireNoRebuild(t, config, reason)
}

// A broker that was restored from an older backup has the same topics, cut.
func TestATopicThatEndsBeforeWhatWasReadStopsTheConsumer(t *testing.T) {
	config, _, _, stop := newLog(t)
	stop()
	client := stack.Serve(t, config)
	exec(t, config, "UPDATE projection_checkpoints SET next_offset = next_offset + 1000000")
	reason := config.ChangesTopic + "[0] ends at offset"
	stack.RunUntilLog(t, config, reason)
	requireStalled(t, client, reason)
	requireNoRebuild(t, config, reason)
}
