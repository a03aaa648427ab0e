package service_test

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"helfy/app/projection"
	"helfy/domain"
	"helfy/internal/stack"
	"helfy/service"
)

type transaction struct {
	Events []struct {
		EventType string
		Kafka     place
		Chain     struct {
			AggregateType, AggregateID, PrevHash, Hash, KeyID, MAC string
			Seq                                                    uint64
		}
	}
	Changes []struct {
		Kafka place
		Chain *struct{}
	}
	Findings []struct{ Kind domain.FindingKind }
}

type place struct {
	Topic     string
	Partition int32
	Offset    int64
}

type messages struct {
	Messages []struct {
		Topic     string
		Partition int32
		Offset    int64
		At        *time.Time
		Value     *string
		Size      int
		Missing   string
	}
}

// newestCommit waits until the newest commit with an event of a type is
// verified, and returns its commitTs.
func newestCommit(t *testing.T, client *stack.Client, token, eventType string, count int) (commitTs string) {
	t.Helper()
	eventuallyAudit(t, client, token, func(entries []stack.Entry) error {
		seen := 0
		for _, entry := range entries {
			if entry.EventType == eventType {
				if seen++; seen == 1 {
					commitTs = entry.CommitTs
				}
			}
		}
		if seen != count {
			return fmt.Errorf("%d events %s, want %d", seen, eventType, count)
		}
		return nil
	})
	return commitTs
}

func TestATransactionShowsWhereItsEventIsInItsChain(t *testing.T) {
	config := stack.New(t)
	id := stack.AddUser(t, config, "admin", domain.RoleAdmin)
	client, _ := stack.Run(t, config)
	token := login(t, client, "admin")
	path := "/api/audit/transactions/"
	first := parse[transaction](t, call(t, client, http.MethodGet, path+newestCommit(t, client, token, "USER_CREATED", 1), token, http.StatusOK))
	second := parse[transaction](t, call(t, client, http.MethodGet, path+newestCommit(t, client, token, "LOGIN_SUCCESS", 1), token, http.StatusOK))
	one, two := first.Events[0].Chain, second.Events[0].Chain
	if one.AggregateType != "user" || one.AggregateID != id.String() || one.Seq != 1 || one.PrevHash != "" || one.MAC != "valid" {
		t.Errorf("the first link is %+v", one)
	}
	if two.Seq != 2 || two.PrevHash != one.Hash || two.Hash == one.Hash || two.KeyID != one.KeyID || two.MAC != "valid" {
		t.Errorf("the second link is %+v after %+v", two, one)
	}
	if len(second.Changes) != 1 || second.Changes[0].Chain != nil || len(second.Findings) != 0 {
		t.Errorf("got %+v", second)
	}
}

func TestATransactionWithAForgedEventShowsIt(t *testing.T) {
	for mac, keyID := range map[string]string{"invalid": "key_id", "unknown-key": "'another'"} {
		t.Run(mac, func(t *testing.T) {
			config := stack.New(t)
			id := stack.AddUser(t, config, "admin", domain.RoleAdmin)
			client, _ := stack.Run(t, config)
			token := login(t, client, "admin")
			newestCommit(t, client, token, "LOGIN_SUCCESS", 1)
			exec(t, config, strings.NewReplacer("STEP", "1", "USER", id.String(), "key_id, NOW", keyID+", NOW").Replace(forgeEvent))
			commitTs := newestCommit(t, client, token, "LOGIN_SUCCESS", 2)
			stack.Eventually(t, wait, func() error {
				got := parse[transaction](t, call(t, client, http.MethodGet, "/api/audit/transactions/"+commitTs, token, http.StatusOK))
				if len(got.Events) != 1 || got.Events[0].Chain.MAC != mac {
					return fmt.Errorf("got %+v", got.Events)
				}
				if len(got.Findings) != 2 || got.Findings[1].Kind != domain.BadMAC || got.Findings[0].Kind != domain.EventWithoutChange {
					return fmt.Errorf("findings are %+v", got.Findings)
				}
				return nil
			})
		})
	}
}

// recordAt reads one record of a topic.
func recordAt(t *testing.T, config service.Config, at place) (value string) {
	t.Helper()
	partition := projection.Partition{Topic: at.Topic, Partition: at.Partition}
	err := config.Kafka().Read(t.Context(), partition, at.Offset, at.Offset+1, func(records []projection.Record) error {
		value = string(records[0].Value)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return value
}

func TestTheMessagesOfATransactionAreThoseInKafka(t *testing.T) {
	config := stack.New(t)
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	client, _ := stack.Run(t, config)
	token := login(t, client, "admin")
	path := "/api/audit/transactions/" + newestCommit(t, client, token, "LOGIN_SUCCESS", 1)
	shown := parse[transaction](t, call(t, client, http.MethodGet, path, token, http.StatusOK))
	got := parse[messages](t, call(t, client, http.MethodGet, path+"/messages", token, http.StatusOK))
	if len(got.Messages) != 2 {
		t.Fatalf("got %+v", got)
	}
	for i, at := range []place{shown.Events[0].Kafka, shown.Changes[0].Kafka} {
		m := got.Messages[1-i] // changes come before events
		want := recordAt(t, config, at)
		if (place{m.Topic, m.Partition, m.Offset}) != at || m.Value == nil || *m.Value != want || m.Size != len(want) || m.At == nil || m.Missing != "" {
			t.Errorf("got %+v, want %s at %+v", m, want, at)
		}
	}
	call(t, client, http.MethodGet, "/api/audit/transactions/1/messages", token, http.StatusNotFound)
	call(t, client, http.MethodGet, "/api/audit/transactions/x/messages", token, http.StatusBadRequest)
	commit := strings.TrimPrefix(path, "/api/audit/transactions/")
	recorded := `{"userId":1,"username":"admin","route":"GET /api/audit/transactions/{commitTs}/messages","filter":{"commitTs":"` + commit + `"}}`
	if all := readings(t, config); !strings.Contains(strings.Join(all, "\n"), recorded) {
		t.Errorf("%s was not recorded: %v", recorded, all)
	}
}

func TestAMessageThatIsMissingSaysWhy(t *testing.T) {
	config := stack.New(t)
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	client, stop := stack.Run(t, config)
	token := login(t, client, "admin")
	commit := newestCommit(t, client, token, "LOGIN_SUCCESS", 1)
	stop()
	other := stack.Produce(t, config, config.EventsTopic, 0, "no message")
	client = stack.Serve(t, config)
	for change, why := range map[string]string{
		"kafka_offset = 1000000": "Kafka has the offsets from 0 to",
		"kafka_partition = 4000": "Kafka does not have the partition",
		"topic = 'gone'":         "Kafka does not have the topic",
		"kafka_partition = 0, kafka_offset = " + strconv.FormatInt(other, 10) + ", topic = '" + config.EventsTopic + "'": "another message is there",
	} {
		exec(t, config, "UPDATE projection_audit_entries SET "+change+" WHERE source = 'event' AND commit_ts = "+commit)
		got := parse[messages](t, call(t, client, http.MethodGet, "/api/audit/transactions/"+commit+"/messages", token, http.StatusOK))
		missing := 0
		for _, m := range got.Messages {
			if m.Missing == "" {
				continue
			}
			if missing++; !strings.Contains(m.Missing, why) || m.Value != nil || m.At != nil {
				t.Errorf("%s: %+v, want %q", change, m, why)
			}
		}
		if missing != 1 || len(got.Messages) != 2 {
			t.Errorf("%s: got %+v", change, got)
		}
		exec(t, config, "UPDATE projection_audit_entries SET topic = '"+config.EventsTopic+"', kafka_partition = 0, kafka_offset = 0 WHERE source = 'event' AND commit_ts = "+commit)
	}
	config.KafkaBrokers = []string{"127.0.0.1:1"}
	call(t, stack.Serve(t, config), http.MethodGet, "/api/audit/transactions/"+commit+"/messages", token, http.StatusServiceUnavailable)
}
