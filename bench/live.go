package main

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/IBM/sarama"
	"github.com/ThreeDotsLabs/watermill"
	wmkafka "github.com/ThreeDotsLabs/watermill-kafka/v3/pkg/kafka"
	"github.com/ThreeDotsLabs/watermill/message"

	"helfy/adapters/tidb"
	"helfy/app/projection"
	"helfy/domain"
	"helfy/internal/stack"
	"helfy/ports/events"
	"helfy/service"
)

// measureLive lets the consumer of the audit log catch up with a history,
// beside Watermill handlers that write a row for each message, and beside
// inserting the same rows from memory, which no consumer can do better than.
func measureLive(r *run) {
	for _, partitions := range []int{8, 64} {
		config := stack.NewWith(r, func(c *service.Config) { c.KafkaPartitions = partitions / 2 }) // of each topic
		r.must(config.PauseChangefeed(r.Context()))
		history := stack.History{Commits: size(r, 10_000, 200), Users: 1000}
		r.progress("writing %d messages to %d partitions", 2*history.Commits, partitions)
		stack.Fill(r, config, history)
		store := &keeper{}
		build(r, config, store)
		inserting := float64(store.rows) / insert(r, store).Seconds()
		name := fmt.Sprintf("live projection, %d partitions", partitions)
		plain := plainHandlers(r, config, partitions)
		one, _ := liveConsumer(r, config, 1)
		live, flushed := liveConsumer(r, config, service.AuditFlushes)
		aim := map[int]string{8: "ratio 3 or more", 64: "ratio 10 or more"}[partitions]
		r.add(line{Case: name, Value: live, Unit: "messages/s"}.
			beside("a Watermill handler that writes a row each", plain).aim(aim))
		r.add(line{Case: name + ", one flush at a time", Value: one, Unit: "messages/s"}.beside("inserting from memory", inserting))
		r.add(line{Case: name + ", several", Value: live, Unit: "messages/s"}.beside("inserting from memory", inserting))
		r.add(line{Case: name + ", records in a flush", Value: flushed, Unit: "records"})
	}
}

// countedStore counts flushes.
type countedStore struct {
	*tidb.ProjectionStore[domain.AuditEntry]
	flushes atomic.Int64
}

// Flush implements projection.Store.
func (s *countedStore) Flush(ctx context.Context, items []projection.Item[domain.AuditEntry]) ([]bool, error) {
	s.flushes.Add(1)
	return s.ProjectionStore.Flush(ctx, items)
}

// liveConsumer returns the messages a second that the audit log's consumer
// makes durable, with so many flushes at a time, and how many of them a flush
// has. The log is in a database of its own.
func liveConsumer(r *run, config service.Config, flushes int) (rate, flushed float64) {
	done := newMeter(r, config)
	brokers, topics := config.Kafka(), []string{config.ChangesTopic, config.EventsTopic}
	observer, err := brokers.Observer()
	r.must(err)
	defer observer.Close()
	store := &countedStore{ProjectionStore: tidb.NewAuditStore(stack.DB(r, newConfig(r)))}
	consumer := events.NewConsumer(events.Config[domain.AuditEntry]{
		Name: projection.AuditName, Group: fmt.Sprintf("%s.%d", config.ConsumerGroup, flushes), Topics: topics,
		Projection: projection.Audit{Database: config.TiDBDatabase}, Store: store, Flushes: flushes,
		OnFresh:      func(context.Context, *slog.Logger, projection.Outcome[domain.AuditEntry]) { done.one() },
		Completeness: projection.Completeness{Topics: topics, Store: store.Generations(), Kafka: observer},
	}, brokers, quiet())
	rate = done.during(r, consumer.Run)
	return rate, float64(done.total) / float64(store.flushes.Load())
}

// plainHandlers returns the messages a second of the simplest consumer that
// there is: a message, a row, an acknowledgement. Its connections are as many
// as it has messages in flight.
func plainHandlers(r *run, config service.Config, partitions int) float64 {
	db := stack.DB(r, config)
	db.SetMaxOpenConns(partitions)
	db.SetMaxIdleConns(partitions)
	_, err := db.ExecContext(r.Context(), "CREATE TABLE plain_entries LIKE projection_audit_entries")
	r.must(err)
	project := projection.Audit{Database: config.TiDBDatabase}
	done := newMeter(r, config)
	handle := func(msg *message.Message) error {
		_, item := projection.Project(project, plainRecord(msg))
		for _, entry := range item.Rows {
			if err := insertPlain(msg.Context(), db, entry); err != nil {
				return err
			}
		}
		done.one()
		return nil
	}
	log := watermill.NewSlogLogger(quiet())
	router, err := message.NewRouter(message.RouterConfig{}, log)
	r.must(err)
	for _, topic := range []string{config.ChangesTopic, config.EventsTopic} {
		settings := wmkafka.DefaultSaramaSubscriberConfig()
		settings.Consumer.Offsets.Initial = sarama.OffsetOldest
		subscriber, err := wmkafka.NewSubscriber(wmkafka.SubscriberConfig{
			Brokers: config.KafkaBrokers, ConsumerGroup: "plain." + topic, Unmarshaler: wmkafka.DefaultMarshaler{},
			OverwriteSaramaConfig: settings,
		}, log)
		r.must(err)
		router.AddConsumerHandler(topic, topic, subscriber, handle)
	}
	return done.during(r, func(ctx context.Context) {
		if err := router.Run(ctx); err != nil {
			r.Error(err)
		}
	})
}

// plainRecord returns the record that a message is.
func plainRecord(msg *message.Message) projection.Record {
	record := projection.Record{Topic: message.SubscribeTopicFromCtx(msg.Context()), Value: msg.Payload}
	record.Partition, _ = wmkafka.MessagePartitionFromCtx(msg.Context())
	record.Offset, _ = wmkafka.MessagePartitionOffsetFromCtx(msg.Context())
	record.At, _ = wmkafka.MessageTimestampFromCtx(msg.Context())
	return record
}

func insertPlain(ctx context.Context, db *sql.DB, e domain.AuditEntry) error {
	args := []any{
		projection.FirstGeneration, e.CommitTs, e.Table, e.RowKey, e.Source, string(e.EventType), int64(e.UserID), e.Username, e.IP, e.Seq,
		string(e.Old), string(e.New), e.Topic, e.Partition, e.Offset, e.InKafkaAt, time.Now().UTC(),
	}
	_, err := db.ExecContext(ctx, `
		INSERT IGNORE INTO plain_entries (generation, commit_ts, table_name, row_key, source, event_type, user_id, username, ip, seq,
		       old_row, new_row, topic, kafka_partition, kafka_offset, kafka_at, projected_at)
		VALUES (?`+strings.Repeat(", ?", len(args)-1)+`)`, args...)
	return err
}

// meter counts the messages of a history.
type meter struct {
	total    int64
	count    atomic.Int64
	first    sync.Once
	began    time.Time
	finished chan time.Time
}

func newMeter(r *run, config service.Config) *meter {
	m := &meter{finished: make(chan time.Time, 1)}
	for _, p := range partitionsOf(r, config) {
		m.total += p.End - p.Earliest
	}
	return m
}

// one counts one that is durable.
func (m *meter) one() {
	m.first.Do(func() { m.began = time.Now() })
	if m.count.Add(1) == m.total {
		m.finished <- time.Now()
	}
}

// during returns the messages a second, from the first to the last one, while
// consume runs.
func (m *meter) during(r *run, consume func(context.Context)) float64 {
	ctx, cancel := context.WithCancel(r.Context())
	var running sync.WaitGroup
	running.Go(func() { consume(ctx) })
	defer running.Wait()
	defer cancel()
	select {
	case end := <-m.finished:
		return float64(m.total-1) / end.Sub(m.began).Seconds()
	case <-ctx.Done():
		r.Fatalf("%d of %d messages when the time was over", m.count.Load(), m.total)
		return 0
	}
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }
