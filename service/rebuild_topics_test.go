package service_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/IBM/sarama"

	"helfy/app/projection"
	"helfy/canaljson"
	"helfy/domain"
	"helfy/internal/stack"
	"helfy/service"
)

// newTopics returns a configuration whose topics, of one partition each,
// nothing feeds.
func newTopics(t *testing.T) service.Config {
	t.Helper()
	config := stack.New(t)
	stack.RemoveChangefeed(t.Context(), t, config)
	config.ChangesTopic += "-bare"
	config.EventsTopic += "-bare"
	config.KafkaPartitions = 1
	if _, err := config.EnsureTopics(t.Context()); err != nil {
		t.Fatal(err)
	}
	return config
}

// consumeAll runs the consumers until they have read the topics to their ends.
func consumeAll(t *testing.T, config service.Config) {
	t.Helper()
	want := 0
	for _, topic := range []string{config.ChangesTopic, config.EventsTopic} {
		partitions, err := config.Kafka().Partitions(t.Context(), topic)
		if err != nil {
			t.Fatal(err)
		}
		for _, partition := range partitions {
			want += int(partition.End)
		}
	}
	consumeWhile(t, config, func() {
		stack.Eventually(t, wait, func() error {
			got := scalar[int](t, config, `
				SELECT COUNT(*) * 1000000 + CAST(COALESCE(SUM(next_offset), 0) AS SIGNED) FROM projection_checkpoints
				WHERE projection = 'audit' AND generation = 1`)
			if got != 2*1000000+want {
				return fmt.Errorf("checkpoints and records read are %d, want %d", got, 2*1000000+want)
			}
			return nil
		})
	})
}

func watermarkAt(t *testing.T, ts uint64) string {
	t.Helper()
	value, err := canaljson.Encode(&canaljson.Watermark{Ts: ts})
	if err != nil {
		t.Fatal(err)
	}
	return string(value)
}

func TestARebuildOfTopicsWithoutAnEntryEndsAndIsEqual(t *testing.T) {
	t.Parallel()
	for name, values := range map[string][]string{
		"empty topics":    nil,
		"watermarks only": {watermarkAt(t, 1<<40), watermarkAt(t, 2<<40)},
		"poison only":     {"no JSON", `{"id":0,`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			config := newTopics(t)
			for _, value := range values {
				stack.Produce(t, config, config.ChangesTopic, 0, value)
				stack.Produce(t, config, config.EventsTopic, 0, value)
			}
			consumeAll(t, config)
			rebuilt := mustRebuild(t, config, projection.RebuildOptions{})
			if !rebuilt.Equal || !rebuilt.Switched || int(rebuilt.Records) != 2*len(values) {
				t.Errorf("rebuilt %+v", rebuilt)
			}
		})
	}
}

func TestARebuildIsNotHeldUpByAPartitionThatIsEmpty(t *testing.T) {
	config := newTopics(t)
	for _, topic := range []string{config.ChangesTopic, config.EventsTopic} {
		stack.Produce(t, config, topic, 0, changeOf(config, 7, 1<<40))
		stack.Produce(t, config, topic, 0, watermarkAt(t, 2<<40))
	}
	addPartition(t, config, config.EventsTopic)
	rebuilt, err := rebuild(t, config, projection.RebuildOptions{})
	if !errors.Is(err, projection.ErrDiffers) || rebuilt.Through != projection.AllRows || rebuilt.New.Rows == 0 {
		t.Errorf("beside a generation that has read nothing: %+v, %v", rebuilt, err)
	}
	if rebuilt = mustRebuild(t, config, projection.RebuildOptions{AcceptDifference: true}); !rebuilt.Switched || rebuilt.Records != 4 {
		t.Errorf("rebuilt %+v", rebuilt)
	}
	if n := scalar[int](t, config, "SELECT COUNT(*) FROM projection_audit_entries WHERE generation = ?", rebuilt.Generation); n != 1 {
		t.Errorf("%d entries, want 1", n)
	}
}

// Consumers would read what comes to the partition once the generation is
// built.
func TestARebuildWithoutAConsumerReadsWhatComesToAPartitionThatWasEmpty(t *testing.T) {
	config := newTopics(t)
	for _, topic := range []string{config.ChangesTopic, config.EventsTopic} {
		stack.Produce(t, config, topic, 0, changeOf(config, 7, 1<<40))
		stack.Produce(t, config, topic, 0, watermarkAt(t, 2<<40))
	}
	consumeAll(t, config)
	partition := addPartition(t, config, config.ChangesTopic)
	const come = 20
	rebuilt, err := config.Rebuild(t.Context(), projection.AuditName, projection.RebuildOptions{}, func(p projection.Progress) {
		for id := range come {
			if p.Stage == projection.StageJoin {
				stack.Produce(t, config, config.ChangesTopic, partition, changeOf(config, 100+id, 3<<40))
			}
		}
	})
	if err != nil || !rebuilt.Equal || !rebuilt.Switched {
		t.Fatalf("rebuilt %+v, %v", rebuilt, err)
	}
	if n := scalar[int](t, config, "SELECT COUNT(*) FROM projection_audit_entries WHERE generation = ?", rebuilt.Generation); n != 1+come {
		t.Errorf("%d entries, want %d", n, 1+come)
	}
}

// A service whose consumers never ran can make its log by a rebuild; they
// carry on from there.
func TestALogThatNobodyHasMadeYetIsMadeByARebuild(t *testing.T) {
	config := stack.New(t)
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	api := stack.Serve(t, config)
	login(t, api, "admin")
	// Without a consumer nobody reads what the feed begins with later.
	stack.Eventually(t, wait, func() error {
		for _, topic := range []string{config.ChangesTopic, config.EventsTopic} {
			partitions, err := config.Kafka().Partitions(t.Context(), topic)
			if err != nil {
				return err
			}
			for _, p := range partitions {
				if p.End == 0 {
					return fmt.Errorf("%s[%d] is empty", p.Topic, p.Partition)
				}
			}
		}
		return nil
	})
	stack.Eventually(t, wait, func() error {
		rebuilt, err := rebuild(t, config, projection.RebuildOptions{AcceptDifference: true})
		if err == nil && rebuilt.New.Rows < 4 {
			err = fmt.Errorf("%d rows", rebuilt.New.Rows)
		}
		return err
	})
	client, _ := stack.Run(t, config)
	token := login(t, client, "admin")
	if entries := wholeLog(t, client, token); len(entries) != 6 {
		t.Errorf("%d entries, want 6", len(entries))
	}
	requireNoFinding(t, config)
}

func TestARebuildFromARecreatedTopicIsRefused(t *testing.T) {
	config := newTopics(t)
	stack.Produce(t, config, config.ChangesTopic, 0, watermarkAt(t, 1<<40))
	consumeAll(t, config)
	mustRebuild(t, config, projection.RebuildOptions{})
	admin, err := sarama.NewClusterAdmin(config.KafkaBrokers, sarama.NewConfig())
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(admin.DeleteTopic(config.ChangesTopic), admin.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := config.EnsureTopics(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, err = rebuild(t, config, projection.RebuildOptions{})
	if !errors.Is(err, projection.ErrRetention) || !strings.Contains(err.Error(), "topic "+config.ChangesTopic+" was recreated") {
		t.Error(err)
	}
	requireStates(t, config, "standby live")
}

// Whoever reads page by page sees one log, whichever generation answers.
func TestAReaderSeesOneLogWhileGenerationsSwitch(t *testing.T) {
	config, client, token, _ := newLog(t)
	for range 5 {
		login(t, client, "admin")
	}
	want := wholeLog(t, client, token)
	switches := []func(){
		func() { mustRebuild(t, config, projection.RebuildOptions{}) },
		func() {
			if _, err := config.Rollback(t.Context(), projection.AuditName); err != nil {
				t.Error(err)
			}
		},
		func() {
			if _, err := config.Prune(t.Context(), projection.AuditName); err != nil {
				t.Error(err)
			}
		},
	}
	var got []stack.Entry
	complete := want[0].CommittedAt
	for query := "?limit=3"; ; {
		page, err := client.Audit(t.Context(), token, query)
		if err != nil {
			t.Fatal(err)
		}
		if page.CompleteThrough == nil || page.CompleteThrough.Before(complete) {
			t.Errorf("complete through %v after %v", page.CompleteThrough, complete)
		} else {
			complete = *page.CompleteThrough
		}
		got = append(got, page.Entries...)
		if page.Next == nil {
			break
		}
		if len(switches) > 0 {
			switches[0]()
			switches = switches[1:]
		}
		query = "?limit=3&cursor=" + *page.Next
	}
	if len(switches) != 0 || len(got) != len(want) {
		t.Fatalf("%d entries, want %d; %d switches are left", len(got), len(want), len(switches))
	}
	for i := range want {
		if got[i].ID != want[i].ID {
			t.Errorf("entry %d is %s, want %s", i, got[i].ID, want[i].ID)
		}
	}
}
