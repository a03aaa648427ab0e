package service_test

import (
	"path/filepath"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/google/uuid"

	"helfy/canaljson"
	"helfy/domain"
	"helfy/internal/stack"
	"helfy/service"
)

// BenchmarkVerify verifies 100,000 messages, a change and an event for each of
// 50,000 refused logins, and tells the messages a second and the greatest
// size of the heap.
func BenchmarkVerify(b *testing.B) {
	const commits, users = 50_000, 500
	config := stack.New(b)
	if err := config.PauseChangefeed(b.Context()); err != nil {
		b.Fatal(err)
	}
	fill(b, config, commits, users)
	exports := b.TempDir()
	var dir string
	b.Run("export", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			dir = filepath.Join(exports, strconv.Itoa(i))
			if _, err := config.ExportTopics(b.Context(), dir, nil); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(2*commits*b.N)/b.Elapsed().Seconds(), "messages/s")
	})
	for name, from := range map[string]string{"kafka": "kafka", "folder": dir} {
		b.Run(name, func(b *testing.B) {
			peak := watchHeap()
			for b.Loop() {
				report, err := config.VerifyAudit(b.Context(), service.Examination{From: from})
				if err != nil || !report.Clean() || report.Entries != 2*commits {
					b.Fatalf("%d entries, %d findings, %v: %v", report.Entries, len(report.Findings), report.Faults, err)
				}
			}
			b.ReportMetric(float64(2*commits*b.N)/b.Elapsed().Seconds(), "messages/s")
			b.ReportMetric(peak(), "MB-heap")
		})
	}
}

// watchHeap samples the heap until the function that it returns is called,
// which tells its greatest size in MB.
func watchHeap() (peak func() float64) {
	runtime.GC()
	stop, greatest := make(chan struct{}), make(chan uint64)
	go func() {
		var most uint64
		for {
			var stats runtime.MemStats
			runtime.ReadMemStats(&stats)
			most = max(most, stats.HeapInuse)
			select {
			case <-time.After(20 * time.Millisecond):
			case <-stop:
				greatest <- most
				return
			}
		}
	}()
	return func() float64 {
		close(stop)
		return float64(<-greatest) / (1 << 20)
	}
}

// fill writes what the change feed would.
func fill(b *testing.B, config service.Config, commits, users int) {
	b.Helper()
	keyring, err := stack.Keyring(config.KeyFile)
	if err != nil {
		b.Fatal(err)
	}
	settings := sarama.NewConfig()
	settings.Producer.Return.Successes = true
	settings.Producer.Partitioner = sarama.NewManualPartitioner
	producer, err := sarama.NewSyncProducer(config.KafkaBrokers, settings)
	if err != nil {
		b.Fatal(err)
	}
	var batch []*sarama.ProducerMessage
	add := func(topic string, partition int, message canaljson.Message) {
		value, err := canaljson.Encode(message)
		if err != nil {
			b.Fatal(err)
		}
		batch = append(batch, &sarama.ProducerMessage{Topic: topic, Partition: int32(partition), Value: sarama.ByteEncoder(value)})
	}
	at := time.Now().Add(time.Minute) // later than what the feed itself has promised
	states := make([]domain.UserState, users)
	for i := range commits {
		commitTs := domain.TSOOfTime(at) + uint64(i)<<18
		who := i % users
		before := states[who]
		states[who] = refuse(b, config, keyring, domain.UserID(who+1), before, commitTs, func(topic string, change *canaljson.Change) {
			add(topic, who%config.KafkaPartitions, change)
		})
		if i%1000 != 999 {
			continue
		}
		for partition := range config.KafkaPartitions {
			add(config.ChangesTopic, partition, &canaljson.Watermark{Ts: commitTs})
			add(config.EventsTopic, partition, &canaljson.Watermark{Ts: commitTs})
		}
		if err := producer.SendMessages(batch); err != nil {
			b.Fatal(err)
		}
		batch = nil
	}
	if err := producer.Close(); err != nil {
		b.Fatal(err)
	}
}

// refuse sends what the feed sends for a user's first event or a refused
// login.
func refuse(
	b *testing.B, config service.Config, keyring *domain.Keyring, id domain.UserID, before domain.UserState, commitTs uint64,
	send func(topic string, change *canaljson.Change),
) domain.UserState {
	b.Helper()
	occurrence := domain.Occurrence{EventID: uuid.NewString(), At: domain.TimeOfTSO(commitTs), Origin: domain.Origin{Actor: "anonymous", IP: "192.0.2.1"}}
	var user *domain.User
	if before.ID == 0 {
		name, err := domain.NewUsername("user-" + id.String())
		if err != nil {
			b.Fatal(err)
		}
		user = domain.RegisterUser(id, name, domain.RoleUser, "hash", keyring, occurrence)
	} else {
		user = domain.LoadUser(before, keyring)
		user.FailLogin(domain.WrongPassword, occurrence)
	}
	after, event := user.State(), user.Pending().Events[0]
	change := rowChange(config, "users", commitTs, userCells(after)...)
	if before.ID != 0 {
		change.Operation, change.Old = canaljson.Update, rowOf(userCells(before)...)
	}
	send(config.ChangesTopic, change)
	send(config.EventsTopic, rowChange(config, "outbox", commitTs,
		"id", event.ID, "aggregatetype", event.AggregateType, "aggregateid", event.AggregateID, "type", string(event.Type),
		"payload", event.Payload, "metadata", event.Metadata, "seq", strconv.FormatUint(event.Seq, 10),
		"prev_hash", event.PrevHash, "hash", event.Hash, "key_id", event.KeyID, "occurred_at", domain.FormatTime(event.OccurredAt)))
	return after
}

func userCells(u domain.UserState) []string {
	return []string{
		"id", u.ID.String(), "username", u.Username.String(), "role", string(u.Role), "status", string(u.Status),
		"event_seq", strconv.FormatUint(u.Head.Seq, 10), "event_hash", u.Head.Hash,
		"created_at", domain.FormatTime(u.CreatedAt), "updated_at", domain.FormatTime(u.UpdatedAt),
	}
}

// rowChange makes an INSERT of names and values.
func rowChange(config service.Config, table string, commitTs uint64, cells ...string) *canaljson.Change {
	c := &canaljson.Change{
		Database: config.TiDBDatabase, Table: table, PrimaryKey: []string{"id"}, Operation: canaljson.Insert,
		CommitTs: commitTs, New: rowOf(cells...),
	}
	for _, cell := range c.New {
		c.Columns = append(c.Columns, canaljson.Column{Name: cell.Name, SQLType: 12, MySQLType: "varchar"})
	}
	return c
}

func rowOf(cells ...string) canaljson.Row {
	var row canaljson.Row
	for i := 0; i < len(cells); i += 2 {
		row = append(row, canaljson.Cell{Name: cells[i], Text: cells[i+1]})
	}
	return row
}
