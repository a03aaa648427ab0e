package service_test

import (
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/IBM/sarama"

	"helfy/domain"
	"helfy/internal/stack"
	"helfy/service"
)

// everyday is what users do, and what clients get wrong.
func everyday(t *testing.T, client *stack.Client) {
	t.Helper()
	for range 3 {
		first, second := login(t, client, "admin"), login(t, client, "admin")
		login(t, client, "alice")
		for name, password := range map[string]string{"alice": "wrong", "nobody": "any", "ALICE": "wrong too"} {
			if _, err := client.Login(t.Context(), name, password); statusOf(t, err) != http.StatusUnauthorized {
				t.Fatal(err)
			}
		}
		call(t, client, http.MethodDelete, "/api/sessions/"+sessionID(t, client, first), second, http.StatusNoContent)
		manage(t, client, second)
		call(t, client, http.MethodPost, "/api/logout?all=true", second, http.StatusNoContent)
	}
}

// manage takes a user from creation to deletion.
func manage(t *testing.T, client *stack.Client, admin string) {
	t.Helper()
	made := parse[account](t, sendJSON(t, client, http.MethodPost, "/api/users", admin,
		`{"username":"bob","password":"`+strong+`"}`, http.StatusCreated))
	path := fmt.Sprintf("/api/users/%d", made.ID)
	for _, change := range []string{
		`{"username":"robert"}`, `{"username":"bob"}`, `{"role":"admin"}`, `{"status":"disabled"}`, `{"status":"active"}`, `{"locked":false}`,
	} {
		sendJSON(t, client, http.MethodPatch, path, admin, change, http.StatusOK)
	}
	sendJSON(t, client, http.MethodPost, path+"/password", admin, `{"newPassword":"`+another+`"}`, http.StatusNoContent)
	token, err := client.Login(t.Context(), "bob", another)
	if err != nil {
		t.Fatal(err)
	}
	sendJSON(t, client, http.MethodPost, "/api/password", token,
		`{"oldPassword":"`+another+`","newPassword":"`+strong+`"}`, http.StatusNoContent)
	if _, err := client.Login(t.Context(), "bob", strong); err != nil {
		t.Fatal(err)
	}
	call(t, client, http.MethodDelete, path, admin, http.StatusNoContent)
}

func TestWhatTheServiceDoesIsNoFinding(t *testing.T) {
	config := stack.New(t)
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	stack.AddUser(t, config, "alice", domain.RoleUser)
	client, stop := stack.Run(t, config)
	everyday(t, client)
	stack.RequireNoFindings(t, config)

	stop()
	client, _ = stack.Run(t, config)
	if err := config.PauseChangefeed(t.Context()); err != nil {
		t.Fatal(err)
	}
	everyday(t, client)
	if err := config.ResumeChangefeed(t.Context()); err != nil {
		t.Fatal(err)
	}
	stack.RequireNoFindings(t, config)

	resend(t, config, config.ChangesTopic)
	resend(t, config, config.EventsTopic)
	everyday(t, client)
	stack.RequireNoFindings(t, config)
	requirePass(t, config, 0)
}

// requirePass checks how often verification began anew.
func requirePass(t *testing.T, config service.Config, want int) {
	t.Helper()
	var pass int
	err := stack.DB(t, config).QueryRowContext(t.Context(), "SELECT pass FROM projection_audit_verification").Scan(&pass)
	if err != nil || pass != want {
		t.Errorf("verification began anew %d times, want %d, %v", pass, want, err)
	}
}

// resend sends every record of a topic again, each to its partition, as TiCDC
// does after a restart.
func resend(t *testing.T, config service.Config, topic string) {
	t.Helper()
	settings := sarama.NewConfig()
	settings.Producer.Return.Successes = true
	settings.Producer.Partitioner = sarama.NewManualPartitioner
	client, err := sarama.NewClient(config.KafkaBrokers, settings)
	if err != nil {
		t.Fatal(err)
	}
	producer, err := sarama.NewSyncProducerFromClient(client)
	if err != nil {
		t.Fatal(err)
	}
	consumer, err := sarama.NewConsumerFromClient(client)
	if err != nil {
		t.Fatal(err)
	}
	partitions, err := config.Kafka().Partitions(t.Context(), topic)
	if err != nil {
		t.Fatal(err)
	}
	var again []*sarama.ProducerMessage
	for _, p := range partitions {
		reader, err := consumer.ConsumePartition(topic, p.Partition, p.Earliest)
		if err != nil {
			t.Fatal(err)
		}
		for offset := p.Earliest; offset < p.End; offset++ {
			select {
			case record := <-reader.Messages():
				again = append(again, &sarama.ProducerMessage{Topic: topic, Partition: p.Partition, Value: sarama.ByteEncoder(record.Value)})
			case <-time.After(wait):
				t.Fatalf("offset %d of %s does not come", offset, p)
			}
		}
		if err := reader.Close(); err != nil {
			t.Error(err)
		}
	}
	if err := producer.SendMessages(again); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(consumer.Close(), producer.Close(), client.Close()); err != nil {
		t.Error(err)
	}
}

// lateChange is a change of a users row that no event explains, as TiCDC
// writes it.
const lateChange = `{"id":0,"database":%q,"table":"users","pkNames":["id"],"isDdl":false,"type":"INSERT","es":1,"ts":1,"sql":"",` +
	`"sqlType":{"id":-5,"username":12,"event_seq":-5,"event_hash":1},` +
	`"mysqlType":{"id":"bigint","username":"varchar","event_seq":"bigint unsigned","event_hash":"char"},` +
	`"old":null,"data":[{"id":"77","username":"late","event_seq":"0","event_hash":""}],"_tidb":{"commitTs":%d}}`

func TestAnEntryThatComesAfterItsWatermarkIsVerifiedToo(t *testing.T) {
	config := stack.New(t)
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	client, _ := stack.Run(t, config)
	exec(t, config, "UPDATE users SET event_hash = SHA2('', 256)")
	login(t, client, "admin")
	before := stack.VerifiedFindings(t, config)
	if len(before) != 2 {
		t.Fatalf("findings are %+v", before)
	}
	stack.Produce(t, config, config.ChangesTopic, 0, fmt.Sprintf(lateChange, config.TiDBDatabase, before[0].CommitTs-1))
	stack.Produce(t, config, config.ChangesTopic, 0, fmt.Sprintf(lateChange, config.TiDBDatabase, before[0].CommitTs-1))
	stack.Eventually(t, wait, func() error {
		found := stack.VerifiedFindings(t, config)
		if len(found) != 3 || found[0].UserID != 77 || found[0].Kind != domain.UnattributedChange || found[1] != before[0] || found[2] != before[1] {
			return fmt.Errorf("findings are %+v", found)
		}
		return nil
	})
	requirePass(t, config, 1)
}

func TestAFindingThatIsNoneAnyMoreIsTakenBack(t *testing.T) {
	config := stack.New(t)
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	client, stop := stack.Run(t, config)
	login(t, client, "admin")
	login(t, client, "admin")
	stack.RequireNoFindings(t, config)
	stop()
	// As if the second event had been a dead letter.
	exec(t, config, "DELETE FROM projection_audit_entries WHERE source = 'event' AND user_id = 1 AND seq = 2")
	exec(t, config, verifyAnew)
	stack.Run(t, config)
	if got := kinds(stack.VerifiedFindings(t, config))[1]; fmt.Sprint(got) != "[chain-gap unattributed-change]" {
		t.Errorf("findings without the event are %v", got)
	}
	resend(t, config, config.EventsTopic)
	stack.Eventually(t, wait, func() error {
		if found := stack.VerifiedFindings(t, config); len(found) > 0 {
			return fmt.Errorf("findings are %+v", found)
		}
		return nil
	})
	requirePass(t, config, 2)
	var former int
	stack.Eventually(t, wait, func() error {
		err := stack.DB(t, config).QueryRowContext(t.Context(), "SELECT COUNT(*) FROM projection_audit_chains WHERE pass < 2").Scan(&former)
		if err == nil && former > 0 {
			err = fmt.Errorf("%d states of former passes are left", former)
		}
		return err
	})
}
