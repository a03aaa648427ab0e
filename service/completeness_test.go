package service_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/IBM/sarama"

	"helfy/adapters/tidb"
	"helfy/app/projection"
	"helfy/domain"
	"helfy/internal/stack"
	"helfy/service"
)

// addPartition adds a partition to a topic and returns its number.
func addPartition(t *testing.T, config service.Config, topic string) int32 {
	t.Helper()
	partitions, err := config.Kafka().Partitions(t.Context(), topic)
	if err != nil {
		t.Fatal(err)
	}
	administrate(t, config, func(admin sarama.ClusterAdmin) error {
		return admin.CreatePartitions(topic, int32(len(partitions)+1), nil, false)
	})
	// Kafka answers before its brokers know.
	stack.Eventually(t, wait, func() error {
		now, err := config.Kafka().Partitions(t.Context(), topic)
		if err == nil && len(now) == len(partitions) {
			err = fmt.Errorf("%s still has %d partitions", topic, len(now))
		}
		return err
	})
	return int32(len(partitions))
}

// a change of a users row, as TiCDC writes it, whose id and commitTs are given.
func changeOf(config service.Config, id int, commitTs uint64) string {
	return fmt.Sprintf(`{"id":0,"database":%q,"table":"users","pkNames":["id"],"isDdl":false,"type":"INSERT","es":1,"ts":1,"sql":"",`+
		`"sqlType":{"id":-5,"username":12,"event_seq":-5,"event_hash":1},`+
		`"mysqlType":{"id":"bigint","username":"varchar","event_seq":"bigint unsigned","event_hash":"char"},`+
		`"old":null,"data":[{"id":"%d","username":"user-%d","event_seq":"0","event_hash":""}],"_tidb":{"commitTs":%d}}`,
		config.TiDBDatabase, id, id, commitTs)
}

func TestAPartitionThatIsAddedIsReadWithinSeconds(t *testing.T) {
	config := stack.New(t)
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	client, _ := stack.Run(t, config)
	token := login(t, client, "admin")
	eventuallyComplete(t, client, token)
	for i, topic := range []string{config.ChangesTopic, config.EventsTopic} {
		partition := addPartition(t, config, topic)
		stack.Produce(t, config, topic, partition, changeOf(config, 100+i, domain.TSOOfTime(time.Now())))
	}
	began := time.Now()
	eventuallyAudit(t, client, token, func(entries []stack.Entry) error {
		found := 0
		for _, entry := range entries {
			if entry.UserID != nil && *entry.UserID >= 100 {
				found++
			}
		}
		if found != 2 {
			return fmt.Errorf("%d of 2 entries are there", found)
		}
		return nil
	})
	// The feed writes no watermark to them, but all that they have is read.
	eventuallyComplete(t, client, token)
	t.Logf("read and complete after %s", time.Since(began).Round(time.Millisecond))
}

func TestTheFeedMayUseAPartitionThatWasAdded(t *testing.T) {
	config := stack.New(t)
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	client, _ := stack.Run(t, config)
	token := login(t, client, "admin")
	eventuallyComplete(t, client, token)
	added := addPartition(t, config, config.EventsTopic)
	// As TiCDC does every ten minutes, it looks at the topic when it begins.
	if err := config.PauseChangefeed(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := config.ResumeChangefeed(t.Context()); err != nil {
		t.Fatal(err)
	}
	const users = 60 // so many that one is of the new partition, but for a chance of 1 to 600,000
	for i := range users {
		name := fmt.Sprintf("user-%d", i)
		stack.AddUser(t, config, name, domain.RoleUser)
		login(t, client, name)
	}
	eventuallyComplete(t, client, token)
	var there int
	err := stack.DB(t, config).QueryRowContext(t.Context(), `
		SELECT COUNT(*) FROM projection_audit_entries WHERE topic = ? AND kafka_partition = ?`, config.EventsTopic, added).Scan(&there)
	if err != nil || there == 0 {
		t.Errorf("%d events came through the new partition, %v", there, err)
	}
	stack.RequireNoFindings(t, config)
	requireUnbrokenChains(t, config)
}

func TestALogIsNotCompleteBeyondAPartitionThatNobodyReads(t *testing.T) {
	config := stack.New(t)
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	client, stop := stack.Run(t, config)
	eventuallyComplete(t, client, login(t, client, "admin"))
	stop()
	db := stack.DB(t, config)
	observer, err := config.Kafka().Observer()
	if err != nil {
		t.Fatal(err)
	}
	defer observer.Close()
	log := tidb.NewAuditLog(db, config.ChangesTopic, config.EventsTopic)
	completeness := projection.Completeness{
		Topics: []string{config.ChangesTopic, config.EventsTopic}, Store: tidb.NewAuditStore(db).Generations(), Kafka: observer,
	}
	before, err := log.CompleteThrough(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	// A consumer has read another watermark of each partition that it knows.
	exec(t, config, "UPDATE projection_checkpoints SET watermark = watermark + 1000000")
	for _, topic := range completeness.Topics {
		addPartition(t, config, topic)
		moved, err := completeness.Confirm(t.Context())
		if moved || !errors.Is(err, projection.ErrUnread) {
			t.Errorf("%s: moved %v, %v", topic, moved, err)
		}
	}
	if after, err := log.CompleteThrough(t.Context()); err != nil || after != before {
		t.Errorf("complete through %d, then %d, %v", before, after, err)
	}
	stack.Run(t, config)
	stack.Eventually(t, wait, func() error {
		after, err := log.CompleteThrough(t.Context())
		if err == nil && after <= before {
			err = fmt.Errorf("complete through %d still", after)
		}
		return err
	})
}

// pollers is how many ask side by side.
const pollers = 4

// pollComplete asks again and again how complete the log is, until stop is
// called; polls tells how often. Less than before fails the test.
func pollComplete(t *testing.T, client *stack.Client, token string) (polls func() int64, stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	var polling sync.WaitGroup
	var count atomic.Int64
	poll := func() {
		var last time.Time
		for ctx.Err() == nil {
			page, err := client.Audit(ctx, token, "?limit=1")
			if ctx.Err() != nil {
				return
			}
			if err != nil || page.CompleteThrough == nil || page.CompleteThrough.Before(last) {
				t.Errorf("complete through %v after %s, %v", page.CompleteThrough, last, err)
				return
			}
			last = *page.CompleteThrough
			count.Add(1)
		}
	}
	for range pollers {
		polling.Go(poll)
	}
	return count.Load, func() { cancel(); polling.Wait() }
}

func TestHowCompleteTheLogIsNeverGoesBack(t *testing.T) {
	config := stack.New(t)
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	client := stack.Serve(t, config)
	_, stop := stack.Run(t, config)
	token := login(t, client, "admin")
	eventuallyComplete(t, client, token)
	polls, stopPolling := pollComplete(t, client, token)
	steps := map[string]func() error{
		"rebuild": func() error {
			rebuilt, err := config.Rebuild(t.Context(), projection.AuditName, projection.RebuildOptions{}, nil)
			if err == nil && !rebuilt.Switched {
				err = fmt.Errorf("%+v", rebuilt)
			}
			return err
		},
		"rollback": func() error {
			_, err := config.Rollback(t.Context(), projection.AuditName)
			return err
		},
		"partition": func() error {
			stack.Produce(t, config, config.EventsTopic, addPartition(t, config, config.EventsTopic),
				changeOf(config, 100, domain.TSOOfTime(time.Now())))
			return nil
		},
		"restart": func() error {
			stop()
			_, stop = stack.Run(t, config)
			return nil
		},
	}
	for _, step := range []string{"restart", "rebuild", "partition", "rollback", "rebuild", "restart", "rollback"} {
		login(t, client, "admin")
		if err := steps[step](); err != nil {
			t.Fatalf("%s: %v", step, err)
		}
		eventuallyComplete(t, client, token)
	}
	stack.Eventually(t, time.Minute, func() error {
		if n := polls(); n < 1000 {
			return fmt.Errorf("only %d polls", n)
		}
		return nil
	})
	stopPolling()
}
