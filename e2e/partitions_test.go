package e2e

import (
	"testing"
	"time"

	"github.com/IBM/sarama"

	"helfy/internal/stack"
)

func TestPartitionsThatAreAddedWhileLoginsGoOnLoseAndRepeatNothing(t *testing.T) {
	config := stack.New(t)
	logins := newLoad(t, config, 20)
	logins.logins, logins.clients, logins.pause = 400, 4, 20*time.Millisecond
	api := stack.NewClient(stack.Start(t, config, "serve").Address(t))
	stack.Start(t, config, "consume")
	stack.Start(t, config, "consume")
	admin, err := sarama.NewClusterAdmin(config.KafkaBrokers, sarama.NewConfig())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := admin.Close(); err != nil {
			t.Error(err)
		}
	}()

	logins.start(t.Context(), api)
	for i, partitions := range []int32{5, 8} {
		logins.waitFor(t, logins.logins*(i+1)/4)
		for _, topic := range []string{config.ChangesTopic, config.EventsTopic} {
			if err := admin.CreatePartitions(topic, partitions, nil, false); err != nil {
				t.Fatal(err)
			}
		}
		// As TiCDC does every ten minutes, the feed looks at the topics when it
		// begins.
		if err := config.PauseChangefeed(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := config.ResumeChangefeed(t.Context()); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		requireComplete(t, api)
		t.Logf("%d partitions: the log was complete beyond that %s later", partitions, time.Since(began).Round(time.Millisecond))
	}
	logins.finish(t)
	// What was sent again may have come to another partition, so that the log
	// may tell of the later copy. The statistics have the lag of the first one.
	requireEachOnce(t, config, api, logins)
	var used int
	err = stack.DB(t, config).QueryRowContext(t.Context(), `
		SELECT COUNT(DISTINCT kafka_partition) FROM projection_audit_entries WHERE topic = ? AND kafka_partition >= 4`,
		config.EventsTopic).Scan(&used)
	if err != nil || used == 0 {
		t.Errorf("events came through %d of the new partitions, %v", used, err)
	}
	runRebuild(t, config, "audit")
	runRebuild(t, config, "logins")
	requireEachOnce(t, config, api, logins)
}
