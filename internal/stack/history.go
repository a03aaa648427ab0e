package stack

import (
	"crypto/rand"
	"strconv"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/google/uuid"

	"helfy/canaljson"
	"helfy/domain"
	"helfy/service"
)

// History is what Fill writes to the topics.
type History struct {
	// Commits is the number of transactions, each of which is a change of a
	// users row and its event: the creation of a user or a login.
	Commits, Users int
	// Idle is how long nothing happens after half of them: each second is a
	// watermark in every partition.
	Idle time.Duration
}

// watermarkEvery is how many commits of a history lie between two watermarks.
const watermarkEvery = 1000

// Fill writes a history to the configuration's topics as the change feed
// would; the feed itself should be paused.
func Fill(t testing.TB, config service.Config, history History) {
	t.Helper()
	keyring, err := Keyring(config.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	w := &historyWriter{t: t, config: config, keyring: keyring, producer: newProducer(t, config)}
	ts := domain.TSOOfTime(time.Now().Add(time.Minute)) // later than what the feed itself has promised
	states := make([]domain.UserState, history.Users)
	for i := range history.Commits {
		ts += 1 << 18
		who := i % history.Users
		states[who] = w.commit(domain.UserID(who+1), states[who], ts)
		if i%watermarkEvery == watermarkEvery-1 || i == history.Commits-1 {
			w.watermark(ts)
			w.send()
		}
		if i == history.Commits/2 {
			ts = w.idle(ts, history.Idle)
		}
	}
	if err := w.producer.Close(); err != nil {
		t.Fatal(err)
	}
}

func newProducer(t testing.TB, config service.Config) sarama.SyncProducer {
	settings := sarama.NewConfig()
	settings.Producer.Return.Successes = true
	settings.Producer.Partitioner = sarama.NewManualPartitioner
	producer, err := sarama.NewSyncProducer(config.KafkaBrokers, settings)
	if err != nil {
		t.Fatal(err)
	}
	return producer
}

// historyWriter gathers messages and sends them in batches.
type historyWriter struct {
	t        testing.TB
	config   service.Config
	keyring  *domain.Keyring
	producer sarama.SyncProducer
	batch    []*sarama.ProducerMessage
}

func (w *historyWriter) add(topic string, partition int, message canaljson.Message) {
	value, err := canaljson.Encode(message)
	if err != nil {
		w.t.Fatal(err)
	}
	w.batch = append(w.batch, &sarama.ProducerMessage{Topic: topic, Partition: int32(partition), Value: sarama.ByteEncoder(value)})
}

func (w *historyWriter) send() {
	if err := w.producer.SendMessages(w.batch); err != nil {
		w.t.Fatal(err)
	}
	w.batch = w.batch[:0]
}

func (w *historyWriter) watermark(ts uint64) {
	for partition := range w.config.KafkaPartitions {
		w.add(w.config.ChangesTopic, partition, &canaljson.Watermark{Ts: ts})
		w.add(w.config.EventsTopic, partition, &canaljson.Watermark{Ts: ts})
	}
}

// idle writes the watermarks of a time in which nothing happens, and returns
// the TSO of its end.
func (w *historyWriter) idle(ts uint64, duration time.Duration) uint64 {
	for second := range int(duration / time.Second) {
		ts += 1000 << 18
		w.watermark(ts)
		if second%watermarkEvery == 0 {
			w.send()
		}
	}
	return ts
}

// commit writes the creation of a user or a login.
func (w *historyWriter) commit(id domain.UserID, before domain.UserState, ts uint64) domain.UserState {
	at := domain.Occurrence{EventID: uuid.NewString(), At: domain.TimeOfTSO(ts), Origin: domain.Origin{
		Actor: "user:" + id.String(), IP: "192.0.2.1", UserAgent: "Mozilla/5.0 (X11; Linux x86_64)", RequestID: uuid.NewString(),
	}}
	var user *domain.User
	if before.ID == 0 {
		name, err := domain.NewUsername("user-" + id.String())
		if err != nil {
			w.t.Fatal(err)
		}
		user = domain.RegisterUser(id, name, domain.RoleUser, "hash", w.keyring, at)
	} else {
		user = domain.LoadUser(before, w.keyring)
		if err := user.LogIn(domain.NewSession{ID: at.EventID, Token: domain.NewSecret(rand.Text()), TTL: time.Hour}, at); err != nil {
			w.t.Fatal(err)
		}
	}
	after, event := user.State(), user.Pending().Events[0]
	change := w.insert("users", ts, userRow(after))
	if before.ID != 0 {
		change.Operation, change.Old = canaljson.Update, userRow(before)
	}
	partition := int(id) % w.config.KafkaPartitions
	w.add(w.config.ChangesTopic, partition, change)
	w.add(w.config.EventsTopic, partition, w.insert("outbox", ts, eventRow(event)))
	return after
}

func userRow(u domain.UserState) canaljson.Row {
	return rowOf(
		"id", u.ID.String(), "username", u.Username.String(), "role", string(u.Role), "status", string(u.Status),
		"token_hash", u.TokenHash, "token_expires_at", timeOrNull(u.TokenExpiresAt), "last_login_at", timeOrNull(u.LastLoginAt),
		"event_seq", strconv.FormatUint(u.Head.Seq, 10), "event_hash", u.Head.Hash,
		"created_at", domain.FormatTime(u.CreatedAt), "updated_at", domain.FormatTime(u.UpdatedAt),
		"password_seq", strconv.FormatUint(u.PasswordSeq, 10),
	)
}

func timeOrNull(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return domain.FormatTime(at)
}

func eventRow(event domain.Event) canaljson.Row {
	return rowOf(
		"id", event.ID, "aggregatetype", event.AggregateType, "aggregateid", event.AggregateID, "type", string(event.Type),
		"payload", event.Payload, "metadata", event.Metadata, "seq", strconv.FormatUint(event.Seq, 10),
		"prev_hash", event.PrevHash, "hash", event.Hash, "key_id", event.KeyID, "occurred_at", domain.FormatTime(event.OccurredAt),
	)
}

func (w *historyWriter) insert(table string, ts uint64, row canaljson.Row) *canaljson.Change {
	c := &canaljson.Change{
		Database: w.config.TiDBDatabase, Table: table, PrimaryKey: []string{"id"}, Operation: canaljson.Insert, CommitTs: ts, New: row,
	}
	for _, cell := range row {
		c.Columns = append(c.Columns, canaljson.Column{Name: cell.Name, SQLType: 12, MySQLType: "varchar"})
	}
	return c
}

// rowOf makes a row of names and values; an empty value is NULL.
func rowOf(cells ...string) canaljson.Row {
	var row canaljson.Row
	for i := 0; i < len(cells); i += 2 {
		row = append(row, canaljson.Cell{Name: cells[i], Text: cells[i+1], Null: cells[i+1] == ""})
	}
	return row
}
