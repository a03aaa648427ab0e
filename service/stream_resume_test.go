package service_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/IBM/sarama"

	"helfy/app/projection"
	"helfy/domain"
	"helfy/internal/stack"
	"helfy/service"
)

func TestAViewerWhoComesBackAfterARestartHasMissedNothing(t *testing.T) {
	config := stack.New(t)
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	stack.AddUser(t, config, "alice", domain.RoleUser)
	other := stack.Serve(t, config)
	client, stop := stack.Run(t, config)
	token := login(t, client, "admin")

	seen := map[string]bool{}
	w := watch(t, client, token, "?user=alice", "")
	login(t, other, "alice")
	for _, id := range awaitLogin(t, w, "alice") {
		seen[id] = true
	}
	for range 3 {
		login(t, other, "alice") // on the stream or not, when the service ends
	}
	stop()
	for event := range w.Events {
		seen[entryOf(t, event).ID] = true
	}
	last := w.LastID()
	for range 3 {
		login(t, other, "alice")
	}
	client, _ = stack.Run(t, config)
	w = watch(t, client, token, "?user=alice", last)
	login(t, other, "alice")
	want := map[string]bool{}
	eventuallyAudit(t, client, token, func(entries []stack.Entry) error {
		for _, entry := range entries {
			if entry.Username != nil && *entry.Username == "alice" && (entry.EventType == string(domain.LoginSuccess) || entry.Operation == "UPDATE") {
				want[entry.ID] = true
			}
		}
		if len(want) != 2*8 {
			return fmt.Errorf("%d entries of logins, want 16", len(want))
		}
		return nil
	})
	for !includes(seen, want) {
		seen[w.Entry(t, wait).ID] = true
	}
}

func includes(all, some map[string]bool) bool {
	for id := range some {
		if !all[id] {
			return false
		}
	}
	return true
}

// entryOf returns the entry of an event, a zero one for other events.
func entryOf(t *testing.T, event stack.Event) (entry stack.Entry) {
	t.Helper()
	if event.Name != "entry" {
		return entry
	}
	return parse[stack.Entry](t, []byte(event.Data))
}

// position returns the last id of a stream that was opened and closed.
func position(t *testing.T, client *stack.Client, token string) string {
	t.Helper()
	w := watch(t, client, token, "", "")
	w.Next(t, wait, "complete")
	w.Close()
	return w.LastID()
}

func TestAPositionThatIsOfNoUseBeginsAnew(t *testing.T) {
	config := stack.New(t)
	config.StreamReplay = 40
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	client := stack.Serve(t, config)
	token := login(t, client, "admin")

	elsewhere := stack.New(t)
	stack.AddUser(t, elsewhere, "admin", domain.RoleAdmin)
	another := stack.Serve(t, elsewhere)
	foreign := position(t, another, login(t, another, "admin"))

	old := position(t, client, token)
	for range config.StreamReplay + 1 {
		stack.Produce(t, config, config.EventsTopic, 0, "{}")
	}
	for name, test := range map[string]struct{ id, reason string }{
		"no base64":          {"last thing I saw", "not a position"},
		"another form":       {"Af8", "not a position"},
		"cut off":            {old[:len(old)-2], "not a position"},
		"from another Kafka": {foreign, "topic " + config.ChangesTopic + " was made anew"},
		"too old":            {old, "records have come since, at most 40 are read again"},
	} {
		t.Run(name, func(t *testing.T) {
			w := watch(t, client, token, "", test.id)
			if event := w.Next(t, wait, "reset"); !strings.Contains(event.Data, test.reason) {
				t.Errorf("reset with %s, want %q", event.Data, test.reason)
			}
			login(t, client, "admin")
			awaitLogin(t, w, "admin")
		})
	}
}

func TestTheParameterResumesLikeTheHeader(t *testing.T) {
	config := stack.New(t)
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	client := stack.Serve(t, config)
	token := login(t, client, "admin")
	last := position(t, client, token)
	login(t, client, "admin")
	awaitLogin(t, watch(t, client, token, "?lastEventId="+last, ""), "admin")
	// The header is newer: a browser that reconnects asks the same address.
	awaitLogin(t, watch(t, client, token, "?lastEventId=nonsense", last), "admin")
}

func TestARecreatedTopicBeginsAnew(t *testing.T) {
	config := stack.New(t)
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	client := stack.Serve(t, config)
	token := login(t, client, "admin")
	w := watch(t, client, token, "", "")
	w.Next(t, wait, "complete")
	recreate(t, config, config.EventsTopic)
	if event := w.Next(t, wait, "reset"); !strings.Contains(event.Data, "topic "+config.EventsTopic+" was made anew") {
		t.Errorf("reset with %s", event.Data)
	}
	if _, _, err := config.EnsureChangefeed(t.Context()); err != nil {
		t.Fatal(err)
	}
	login(t, client, "admin")
	awaitLogin(t, w, "admin")
}

// record returns the last record of a topic that has a text.
func record(t *testing.T, config service.Config, topic, text string) (found projection.Record) {
	t.Helper()
	brokers := config.Kafka()
	partitions, err := brokers.Partitions(t.Context(), topic)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range partitions {
		err := brokers.Read(t.Context(), p, p.Earliest, p.End, func(records []projection.Record) error {
			for _, one := range records {
				if strings.Contains(string(one.Value), text) {
					found = one
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if found.Value == nil {
		t.Fatalf("no record of %s has %q", topic, text)
	}
	return found
}

func TestAPartitionThatIsAddedIsOnTheStream(t *testing.T) {
	config := stack.New(t)
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	client := stack.Serve(t, config)
	token := login(t, client, "admin")
	w := watch(t, client, token, "", "")
	login(t, client, "admin")
	ids := awaitLogin(t, w, "admin")
	administrate(t, config, func(admin sarama.ClusterAdmin) error {
		return admin.CreatePartitions(config.EventsTopic, int32(config.KafkaPartitions+1), nil, false)
	})
	again := record(t, config, config.EventsTopic, string(domain.LoginSuccess))
	stack.Produce(t, config, config.EventsTopic, int32(config.KafkaPartitions), string(again.Value))
	for entry := w.Entry(t, wait); entry.ID != ids[0] && entry.ID != ids[1]; {
		entry = w.Entry(t, wait)
	}
}
