package docs_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/IBM/sarama"

	"helfy/app/command"
	"helfy/app/projection"
	"helfy/canaljson"
	"helfy/domain"
	"helfy/internal/stack"
	"helfy/service"
)

// event is an outbox row as a message has it.
type event struct {
	row               map[string]string
	payload, metadata map[string]any
}

// newEvent takes a decoded message apart.
func newEvent(t *testing.T, change *canaljson.Change) event {
	t.Helper()
	e := event{row: map[string]string{}}
	for _, cell := range change.New {
		e.row[cell.Name] = cell.Text
	}
	for column, object := range map[string]*map[string]any{"payload": &e.payload, "metadata": &e.metadata} {
		if err := json.Unmarshal([]byte(e.row[column]), object); err != nil {
			t.Fatalf("column %s: %v", column, err)
		}
	}
	return e
}

// produceAll makes the service produce every type of event, with every reason
// and every member that it can have, and returns their messages.
func produceAll(t *testing.T, config service.Config) []*canaljson.Change {
	t.Helper()
	stack.AddUser(t, config, "alice", domain.RoleAdmin)
	migrateDownAndUp(t, config)
	stack.AddUser(t, config, "disabled", domain.RoleUser)
	stack.AddUser(t, config, "forged", domain.RoleUser)
	db := stack.DB(t, config)
	for _, statement := range []string{
		"UPDATE users SET status = 'disabled' WHERE username = 'disabled'",
		"UPDATE credentials SET mac = REPEAT('0', 64) WHERE user_id = (SELECT id FROM users WHERE username = 'forged')",
	} {
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	c := caller{t: t, base: stack.Serve(t, config).Base}
	c.login("alice", "wrong", http.StatusUnauthorized)
	c.login("nobody", "any", http.StatusUnauthorized)
	c.login("disabled", "disabled", http.StatusUnauthorized)
	c.login("forged", "forged", http.StatusUnauthorized)
	first, second := c.login("alice", "alice", http.StatusOK), c.login("alice", "alice", http.StatusOK)
	id := c.session(first)
	c.call(http.MethodDelete, "/api/sessions/"+id, second, "", http.StatusNoContent)
	c.call(http.MethodPost, "/api/logout", second, "", http.StatusNoContent)
	reader := c.login("alice", "alice", http.StatusOK)
	c.call(http.MethodGet, "/api/audit?user=alice", reader, "", http.StatusOK)
	c.bare = true
	c.call(http.MethodGet, "/api/audit", reader, "", http.StatusOK)
	c.login("alice", "wrong", http.StatusUnauthorized)
	c.call(http.MethodPost, "/api/logout", c.login("alice", "alice", http.StatusOK), "", http.StatusNoContent)
	c.call(http.MethodDelete, "/api/sessions/"+c.session(c.login("alice", "alice", http.StatusOK)),
		c.login("alice", "alice", http.StatusOK), "", http.StatusNoContent)
	endByThemselves(t, config, c)
	lockAndFlood(t, config)
	manage(t, config, c)
	operate(t, config, c)
	waive(t, config, c)
	var count int
	if err := db.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM outbox").Scan(&count); err != nil {
		t.Fatal(err)
	}
	var changes []*canaljson.Change
	stack.Eventually(t, 20*time.Second, func() error {
		changes = readChanges(t, config, config.EventsTopic)
		if len(changes) != count {
			return fmt.Errorf("%d events of %d are in Kafka", len(changes), count)
		}
		return nil
	})
	return changes
}

func migrateDownAndUp(t *testing.T, config service.Config) {
	t.Helper()
	if _, err := config.MigrateDown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := config.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// waive makes a dead letter be waived. It is none of a message, because
// everything in the topics must be readable here.
func waive(t *testing.T, config service.Config, c caller) {
	t.Helper()
	db := stack.DB(t, config)
	at := projection.Place{Topic: config.EventsTopic, Partition: 1, Offset: 7}
	for _, statement := range []string{
		"INSERT INTO projection_generations (projection, generation, state, began_at) VALUES ('audit', 1, 'live', NOW(6))",
		`INSERT INTO projection_checkpoints (projection, generation, topic, kafka_partition, topic_id, first_offset, next_offset, watermark)
			VALUES ('audit', 1, '` + at.Topic + `', 1, UUID(), 0, 8, 0)`,
		`INSERT INTO projection_dead_letters (projection, generation, topic, kafka_partition, kafka_offset, value, size, digest, reason)
			VALUES ('audit', 1, '` + at.Topic + `', 1, 7, 'x', 1, SHA2('x', 256), 'no JSON')`,
	} {
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := config.WaiveDeadLetter(t.Context(), "", at, "a test wrote it", "Alice"); err != nil {
		t.Fatal(err)
	}
	for _, c.bare = range []bool{false, true} {
		admin := c.login("alice", "alice", http.StatusOK)
		letter := fmt.Sprintf(`"topic":%q,"partition":1,"offset":7`, at.Topic)
		c.call(http.MethodPost, "/api/deadletters/waive", admin, `{`+letter+`,"reason":"a test wrote it"}`, http.StatusOK)
		c.call(http.MethodPost, "/api/deadletters/retry", admin, `{`+letter+`}`, http.StatusOK)
		c.call(http.MethodPost, "/api/deadletters/retry", admin, `{"projection":"audit",`+letter+`}`, http.StatusOK)
	}
}

// operate does to projections what an administrator can. Nobody reads the
// topics here: the rebuilds end with an error, which does not matter.
func operate(t *testing.T, config service.Config, c caller) {
	t.Helper()
	db := stack.DB(t, config)
	exec := func(statement string) {
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	stack.Work(t, config)
	for _, c.bare = range []bool{false, true} {
		admin := c.login("alice", "alice", http.StatusOK)
		exec(`INSERT INTO projection_generations (projection, generation, state, began_at, live_since)
			VALUES ('logins', 101, 'live', NOW(6), NOW(6)), ('logins', 102, 'standby', NOW(6), NOW(6) - INTERVAL 1 HOUR)`)
		c.call(http.MethodPost, "/api/projections/logins/rollback", admin, "", http.StatusOK)
		exec("DELETE FROM projection_generations WHERE projection = 'logins'")
		for _, body := range []string{`{"verify":true}`, `{"acceptDiff":true}`} {
			c.call(http.MethodPost, "/api/projections/logins/rebuild", admin, body, http.StatusAccepted)
			stack.Eventually(t, 30*time.Second, func() error {
				var running int
				err := db.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM projection_rebuilds WHERE ended_at IS NULL").Scan(&running)
				if err == nil && running > 0 {
					err = errors.New("the rebuild runs still")
				}
				return err
			})
		}
	}
}

// lockAndFlood makes users be locked, in one network and in all, a user be
// unlocked, floods be recorded and a password be hashed anew.
func lockAndFlood(t *testing.T, config service.Config) {
	t.Helper()
	stack.AddUser(t, config, "here", domain.RoleUser)
	stack.AddUser(t, config, "anywhere", domain.RoleUser)
	config.MaxFailures, config.HashTime = 1, config.HashTime+1
	config.LockTime, config.LockMax = time.Hour, time.Hour
	c := caller{t: t, base: stack.Serve(t, config).Base}
	c.login("here", "here", http.StatusOK)
	for _, name := range []string{"here", "anywhere"} {
		c.login(name, "wrong", http.StatusUnauthorized)
		c.login(name, "wrong", http.StatusUnauthorized)
	}
	if err := config.ChangeUser(t.Context(), "here", command.ChangeUser{Unlock: true}); err != nil {
		t.Fatal(err)
	}
	db := stack.DB(t, config)
	if _, err := db.ExecContext(t.Context(), `
		INSERT INTO login_floods (aggregatetype, aggregateid, minute, recorded, counted, first_at, last_at)
		SELECT 'user', id, '2026-01-02 12:00', 20, 3, '2026-01-02 12:00:01', '2026-01-02 12:00:59' FROM users WHERE username = 'here'
		UNION ALL SELECT 'unknown', '3', '2026-01-02 12:00', 20, 3, '2026-01-02 12:00:01', '2026-01-02 12:00:59'`); err != nil {
		t.Fatal(err)
	}
	stack.Eventually(t, 30*time.Second, func() error {
		var left int
		err := db.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM login_floods WHERE counted > 0").Scan(&left)
		if err == nil && left > 0 {
			err = fmt.Errorf("%d floods are not recorded", left)
		}
		return err
	})
}

// endByThemselves makes sessions expire, and one that is not genuine be used.
func endByThemselves(t *testing.T, config service.Config, c caller) {
	t.Helper()
	db := stack.DB(t, config)
	c.login("alice", "alice", http.StatusOK)
	if _, err := db.ExecContext(t.Context(), "UPDATE sessions SET last_seen_at = '2020-01-01' WHERE revoked_at IS NULL"); err != nil {
		t.Fatal(err)
	}
	config.SessionTTL = time.Millisecond
	caller{t: t, base: stack.Serve(t, config).Base}.login("alice", "alice", http.StatusOK)
	reasons := 0
	stack.Eventually(t, 20*time.Second, func() error {
		err := db.QueryRowContext(t.Context(),
			"SELECT COUNT(DISTINCT payload->>'$.reason') FROM outbox WHERE type = ?", domain.SessionExpired).Scan(&reasons)
		if err == nil && reasons != 2 {
			err = fmt.Errorf("sessions have expired for %d reasons, want 2", reasons)
		}
		return err
	})
	for _, c.bare = range []bool{false, true} {
		token := c.login("alice", "alice", http.StatusOK)
		if _, err := db.ExecContext(t.Context(), "UPDATE sessions SET mac = REPEAT('0', 64) WHERE revoked_at IS NULL"); err != nil {
			t.Fatal(err)
		}
		c.call(http.MethodGet, "/api/me", token, "", http.StatusUnauthorized)
	}
}

// manage changes users in every way, with all that becomes metadata and by
// somebody at the terminal.
func manage(t *testing.T, config service.Config, c caller) {
	t.Helper()
	const first, second = "orchard lantern violet 93", "Zwiebelkuchen unter 12 Sternen"
	for _, c.bare = range []bool{false, true} {
		admin := c.login("alice", "alice", http.StatusOK)
		c.call(http.MethodPost, "/api/users", admin, `{"username":"managed","password":"`+first+`"}`, http.StatusCreated)
		var list struct{ Users []struct{ ID int } }
		if err := json.Unmarshal(c.call(http.MethodGet, "/api/users?user=managed", admin, "", http.StatusOK), &list); err != nil {
			t.Fatal(err)
		}
		path := fmt.Sprintf("/api/users/%d", list.Users[0].ID)
		change := func(body string) { c.call(http.MethodPatch, path, admin, body, http.StatusOK) }
		change(`{"role":"admin"}`)
		change(`{"status":"disabled"}`)
		change(`{"status":"active"}`)
		c.login("managed", first, http.StatusOK)
		change(`{"status":"disabled"}`)
		change(`{"status":"active"}`)
		c.call(http.MethodPost, path+"/password", admin, `{"newPassword":"`+second+`"}`, http.StatusNoContent)
		token := c.login("managed", second, http.StatusOK)
		c.call(http.MethodPost, "/api/password", token,
			`{"oldPassword":"`+second+`","newPassword":"`+first+`"}`, http.StatusNoContent)
		c.login("managed", "wrong", http.StatusUnauthorized)
		change(`{"locked":false}`)
		c.login("managed", first, http.StatusOK)
		c.call(http.MethodPost, path+"/password", admin, `{"newPassword":"`+second+`"}`, http.StatusNoContent)
		change(`{"username":"renamed"}`)
		c.call(http.MethodDelete, path, admin, "", http.StatusNoContent)
	}
	stack.AddUser(t, config, "managed", domain.RoleUser)
	if err := config.DeleteUser(t.Context(), "managed"); err != nil {
		t.Fatal(err)
	}
}

// caller is a client that sends all headers that become metadata, or, bare,
// none of them.
type caller struct {
	t    *testing.T
	base string
	bare bool
}

func (c caller) call(method, path, token, body string, want int) []byte {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), 30*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader([]byte(body)))
	if err != nil {
		c.t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", "")
	if !c.bare {
		request.Header.Set("User-Agent", "test")
		request.Header.Set("Traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		c.t.Fatal(err)
	}
	answer, err := io.ReadAll(response.Body)
	if err := errors.Join(err, response.Body.Close()); err != nil || response.StatusCode != want {
		c.t.Fatalf("%s %s: status %d, want %d: %s, %v", method, path, response.StatusCode, want, answer, err)
	}
	return answer
}

func (c caller) login(username, password string, want int) (token string) {
	c.t.Helper()
	answer := c.call(http.MethodPost, "/api/login", "", fmt.Sprintf(`{"username":%q,"password":%q}`, username, password), want)
	return member(c.t, answer, "token")
}

func (c caller) session(token string) (id string) {
	c.t.Helper()
	return member(c.t, c.call(http.MethodGet, "/api/me", token, "", http.StatusOK), "sessionId")
}

// member returns a text of a JSON object, empty if it has none of the name.
func member(t *testing.T, object []byte, name string) string {
	t.Helper()
	var members map[string]any
	if err := json.Unmarshal(object, &members); err != nil {
		t.Fatal(err)
	}
	text, _ := members[name].(string)
	return text
}

// readChanges returns the changes in a topic, and fails the test when a
// record has a key or headers.
func readChanges(t *testing.T, config service.Config, topic string) []*canaljson.Change {
	t.Helper()
	var changes []*canaljson.Change
	for _, record := range readTopic(t, config, topic) {
		if len(record.Key) != 0 || len(record.Headers) != 0 {
			t.Errorf("%s[%d]@%d has key %q, headers %v", topic, record.Partition, record.Offset, record.Key, record.Headers)
		}
		message, err := canaljson.Decode(record.Value)
		if err != nil {
			t.Fatalf("%s[%d]@%d: %v", topic, record.Partition, record.Offset, err)
		}
		if change, ok := message.(*canaljson.Change); ok {
			changes = append(changes, change)
		}
	}
	return changes
}

// readTopic returns all records that are in a topic now.
func readTopic(t *testing.T, config service.Config, topic string) []*sarama.ConsumerMessage {
	t.Helper()
	client, err := sarama.NewClient(config.KafkaBrokers, sarama.NewConfig())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := client.Close(); err != nil {
			t.Error(err)
		}
	}()
	consumer, err := sarama.NewConsumerFromClient(client)
	if err != nil {
		t.Fatal(err)
	}
	partitions, err := client.Partitions(topic)
	if err != nil {
		t.Fatal(err)
	}
	var records []*sarama.ConsumerMessage
	for _, partition := range partitions {
		end, err := client.GetOffset(topic, partition, sarama.OffsetNewest)
		if err != nil {
			t.Fatal(err)
		}
		records = append(records, readPartition(t, consumer, topic, partition, end)...)
	}
	return records
}

func readPartition(t *testing.T, consumer sarama.Consumer, topic string, partition int32, end int64) []*sarama.ConsumerMessage {
	t.Helper()
	if end == 0 {
		return nil
	}
	reader, err := consumer.ConsumePartition(topic, partition, sarama.OffsetOldest)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := reader.Close(); err != nil {
			t.Error(err)
		}
	}()
	var records []*sarama.ConsumerMessage
	timeout := time.After(30 * time.Second)
	for {
		select {
		case record := <-reader.Messages():
			records = append(records, record)
			if record.Offset == end-1 {
				return records
			}
		case <-timeout:
			t.Fatalf("%s[%d]: %d records of %d within 30 s", topic, partition, len(records), end)
		}
	}
}
