package service_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/IBM/sarama"

	"helfy/domain"
	"helfy/internal/stack"
	"helfy/service"
)

// change is a message about a row, in which a test replaces one part by
// something wrong.
const change = `{"id":0,"database":"DATABASE","table":"users","pkNames":["id"],"isDdl":false,"type":"INSERT","es":1,"ts":1,"sql":"",` +
	`"sqlType":{"id":-5,"username":12,"event_seq":-5},"mysqlType":{"id":"bigint","username":"varchar","event_seq":"bigint unsigned"},` +
	`"old":null,"data":[{"id":"1","username":"x","event_seq":"1"}],"_tidb":{"commitTs":1}}`

func TestARecordThatCannotBeUnderstoodIsADeadLetterAndHoldsNothingUp(t *testing.T) {
	const keep = 5 << 20 // bytes of a record that are kept
	poisons := map[string]struct{ value, reason string }{
		"broken JSON":          {`{"id":0,`, ""},
		"trailing garbage":     {change + "x", ""},
		"nothing":              {"", ""},
		"no JSON":              {"\x00\xff\xfe", ""},
		"an unknown table":     {with(`"table":"users"`, `"table":"other"`), `"other"`},
		"an unknown database":  {with("DATABASE", "other"), `"other"`},
		"a number of letters":  {with(`"id":"1"`, `"id":"one"`), "one"},
		"a number as a list":   {with(`"id":"1"`, `"id":[1]`), ""},
		"rows as a text":       {with(`[{"id":"1","username":"x","event_seq":"1"}]`, `"none"`), "data"},
		"a commitTs as a text": {with(`"commitTs":1`, `"commitTs":"now"`), "commitTs"},
		"no commitTs":          {with(`{"commitTs":1}`, `{}`), "commitTs"},
		"the key only":         {with(`"commitTs":1`, `"commitTs":1,"onlyHandleKey":true`), "onlyHandleKey"},
		"no key in the row":    {with(`"pkNames":["id"]`, `"pkNames":["none"]`), "none"},
		"5 MB":                 {`{"id":"` + strings.Repeat("x", 5_000_000), ""},
		"5 MB in the reason":   {with(`"table":"users"`, `"table":"`+strings.Repeat("x", 5_000_000)+`"`), "xxx"},
		"more than a row":      {`{"id":"` + strings.Repeat("x", 7_000_000), "7000007 bytes"},
	}
	config := stack.New(t)
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	offsets := map[string]int64{} // by topic and name
	for _, topic := range []string{config.ChangesTopic, config.EventsTopic} {
		allowHugeMessages(t, config, topic)
		for name, poison := range poisons {
			poison.value = strings.Replace(poison.value, "DATABASE", config.TiDBDatabase, 1)
			poisons[name] = poison
			offsets[topic+name] = stack.Produce(t, config, topic, 0, poison.value)
		}
	}
	began := time.Now()
	client, _ := stack.Run(t, config)
	token := login(t, client, "admin")
	eventuallyEntries(t, client, token, 4)
	eventuallyComplete(t, client, token)
	page, err := client.Audit(t.Context(), token, "")
	if err != nil || page.DeadLetters != int64(len(offsets)) {
		t.Errorf("the log tells of %d dead letters, %v, want %d", page.DeadLetters, err, len(offsets))
	}
	if health, want := string(call(t, client, "GET", "/health", "", 200)), fmt.Sprintf(`"deadLetters":%d`, len(offsets)); !strings.Contains(health, want) {
		t.Errorf("%s, want %s", health, want)
	}
	t.Logf("%d dead letters and 4 entries in %s", len(offsets), time.Since(began).Round(time.Millisecond))
	db := stack.DB(t, config)
	for _, topic := range []string{config.ChangesTopic, config.EventsTopic} {
		for name, poison := range poisons {
			var kept, reason string
			err := db.QueryRowContext(t.Context(), `
				SELECT value, reason FROM projection_dead_letters
				WHERE projection = 'audit' AND topic = ? AND kafka_partition = 0 AND kafka_offset = ?`, topic, offsets[topic+name]).Scan(&kept, &reason)
			if err != nil {
				t.Errorf("%s: %s: %v", topic, name, err)
				continue
			}
			if kept != poison.value[:min(len(poison.value), keep)] {
				t.Errorf("%s: %s: of %d bytes %d are kept, or others", topic, name, len(poison.value), len(kept))
			}
			if reason == "" || len(reason) > 2000 || !strings.Contains(reason, poison.reason) {
				t.Errorf("%s: %s: the reason has %d bytes and is %.200q, which must name %q", topic, name, len(reason), reason, poison.reason)
			}
		}
	}
}

// eventuallyComplete waits until the log is complete beyond now.
func eventuallyComplete(t *testing.T, client *stack.Client, token string) {
	t.Helper()
	now := time.Now()
	stack.Eventually(t, wait, func() error {
		// Not of the log itself: to read that is an event.
		answer, text, err := client.Do(t.Context(), http.MethodGet, "/api/status", token, "")
		if err != nil {
			return err
		}
		if answer.StatusCode != http.StatusOK {
			return &stack.StatusError{Status: answer.StatusCode, Body: string(text)}
		}
		var status struct{ CompleteThrough time.Time }
		if err := json.Unmarshal(text, &status); err != nil {
			return fmt.Errorf("read %s: %w", text, err)
		}
		if status.CompleteThrough.Before(now) {
			return fmt.Errorf("complete through %v, want %s", status.CompleteThrough, now)
		}
		return nil
	})
}

// with is change with one part replaced.
func with(part, by string) string { return strings.Replace(change, part, by, 1) }

// allowHugeMessages lets a topic take records of 16 MiB.
func allowHugeMessages(t *testing.T, config service.Config, topic string) {
	t.Helper()
	settings := sarama.NewConfig()
	admin, err := sarama.NewClusterAdmin(config.KafkaBrokers, settings)
	if err != nil {
		t.Fatal(err)
	}
	limit := "16777216"
	err = admin.IncrementalAlterConfig(sarama.TopicResource, topic, map[string]sarama.IncrementalAlterConfigsEntry{
		"max.message.bytes": {Operation: sarama.IncrementalAlterConfigsOperationSet, Value: &limit},
	}, false)
	if err := errors.Join(err, admin.Close()); err != nil {
		t.Fatal(err)
	}
}

// Whoever has only SQL must not be able to stop the log.
func TestRowsThatNoEntryCanHoldAreDeadLettersAndHoldNothingUp(t *testing.T) {
	t.Parallel()
	for name, statement := range map[string]string{
		"an address too long": `INSERT INTO outbox (id, aggregatetype, aggregateid, type, payload, metadata, seq, prev_hash, hash, key_id, occurred_at)
			VALUES ('forged', 'user', '1', 'LOGIN_SUCCESS', '{}', CONCAT('{"ip":"', REPEAT('1', 60), '"}'), 9, '', '', '', NOW(6))`,
		"no JSON": `INSERT INTO outbox (id, aggregatetype, aggregateid, type, payload, metadata, seq, prev_hash, hash, key_id, occurred_at)
			VALUES ('forged', 'user', '1', 'LOGIN_SUCCESS', 'x', 'y', 9, '', '', '', NOW(6))`,
		"a huge sequence number": "UPDATE users SET event_seq = 18446744073709551615 WHERE username = 'other'",
	} {
		t.Run(name, func(t *testing.T) {
			config := stack.New(t)
			stack.AddUser(t, config, "admin", domain.RoleAdmin)
			stack.AddUser(t, config, "other", domain.RoleUser)
			client, _ := stack.Run(t, config)
			exec(t, config, statement)
			token := login(t, client, "admin")
			eventuallyAudit(t, client, token, func(entries []stack.Entry) error {
				for _, entry := range entries {
					if entry.EventType == "LOGIN_SUCCESS" && entry.ID != "forged" {
						return nil
					}
				}
				return errors.New("the login is not in the log")
			})
		})
	}
}
