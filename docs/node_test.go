//go:build node

package docs_test

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/IBM/sarama"

	"helfy/canaljson"
	"helfy/domain"
	"helfy/internal/stack"
	"helfy/service"
)

// install puts the page's reader and what it needs into a folder.
func install(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	programs := read(t, eventsPage).all("js")
	if len(programs) != 1 {
		t.Fatalf("the page has %d programs, want 1", len(programs))
	}
	files := map[string]string{"reader.js": programs[0]}
	for _, name := range []string{"package.json", "package-lock.json"} {
		text, err := os.ReadFile(filepath.Join("testdata", "node", name))
		if err != nil {
			t.Fatal(err)
		}
		files[name] = string(text)
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	runIn(t, dir, nil, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	return dir
}

// runIn runs a program to its end and returns what it printed.
func runIn(t *testing.T, dir string, env []string, name string, args ...string) (stdout, stderr string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, name, args...)
	command.Dir, command.Env = dir, append(os.Environ(), env...)
	var out, trouble bytes.Buffer
	command.Stdout, command.Stderr = &out, &trouble
	if err := command.Run(); err != nil {
		t.Fatalf("%s %v: %v\n%s%s", name, args, err, out.String(), trouble.String())
	}
	return out.String(), trouble.String()
}

// sendAgain puts values into a partition of a topic.
func sendAgain(t *testing.T, config service.Config, topic string, partition int32, values ...[]byte) {
	t.Helper()
	kafka := sarama.NewConfig()
	kafka.Producer.Return.Successes = true
	kafka.Producer.Partitioner = sarama.NewManualPartitioner
	producer, err := sarama.NewSyncProducer(config.KafkaBrokers, kafka)
	if err != nil {
		t.Fatal(err)
	}
	for _, value := range values {
		if _, _, err := producer.SendMessage(&sarama.ProducerMessage{Topic: topic, Partition: partition, Value: sarama.ByteEncoder(value)}); err != nil {
			t.Error(err)
		}
	}
	if err := producer.Close(); err != nil {
		t.Error(err)
	}
}

func TestAReaderInNodeSeesEveryEventAndChangeOnce(t *testing.T) {
	config := stack.New(t)
	produceAll(t, config)
	want := map[string]string{} // type by the reader's id
	for _, topic := range []string{config.EventsTopic, config.ChangesTopic} {
		for _, record := range readTopic(t, config, topic) {
			message, err := canaljson.Decode(record.Value)
			if err != nil {
				t.Fatal(err)
			}
			change, ok := message.(*canaljson.Change)
			if !ok {
				continue
			}
			id, kind := identify(t, change)
			want[id] = kind
			sendAgain(t, config, topic, record.Partition, record.Value)
		}
	}
	sendAgain(t, config, config.EventsTopic, 0, []byte("no JSON"))
	printed, trouble := runIn(t, install(t), []string{
		"UNTIL_END=1", "KAFKA_BROKERS=" + strings.Join(config.KafkaBrokers, ","), "KAFKA_CONSUMER_GROUP=" + config.ConsumerGroup + ".reader",
		"KAFKA_EVENTS_TOPIC=" + config.EventsTopic, "KAFKA_CHANGES_TOPIC=" + config.ChangesTopic,
	}, "node", "reader.js")
	got := map[string]string{}
	for line := range strings.Lines(printed) {
		var shown struct {
			ID, Type, User string
			At             time.Time
		}
		if err := json.Unmarshal([]byte(line), &shown); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if got[shown.ID] != "" {
			t.Errorf("%s came twice", shown.ID)
		}
		if shown.User == "" || time.Since(shown.At).Abs() > time.Hour {
			t.Errorf("got %s", line)
		}
		got[shown.ID] = shown.Type
	}
	for id, kind := range want {
		if got[id] != kind {
			t.Errorf("%s is %q, want %q", id, got[id], kind)
		}
	}
	types := slices.Compact(slices.Sorted(maps.Values(got)))
	if len(got) != len(want) || len(types) < len(constants(t, "EventType")) {
		t.Errorf("%d were printed, want %d; their types are %v", len(got), len(want), types)
	}
	requireComplaint(t, trouble, config.EventsTopic+"[0]@")
}

// requireComplaint wants one line about a record, besides what the library
// tells in JSON about the broker.
func requireComplaint(t *testing.T, stderr, about string) {
	t.Helper()
	var complaints []string
	for line := range strings.Lines(stderr) {
		if !strings.HasPrefix(line, "{") {
			complaints = append(complaints, line)
		}
	}
	if len(complaints) != 1 || !strings.HasPrefix(complaints[0], about) {
		t.Errorf("it complains %q, want one line about %s", complaints, about)
	}
}

// identify returns what the page says identifies a change, and its type.
func identify(t *testing.T, change *canaljson.Change) (id, kind string) {
	t.Helper()
	if change.Table == "outbox" {
		row := newEvent(t, change).row
		return row["id"], row["type"]
	}
	cell, ok := change.Row().Get("id")
	if !ok {
		t.Fatalf("a row of %s has no id", change.Table)
	}
	entry := domain.AuditEntry{Table: change.Table, RowKey: cell.Text, CommitTs: change.CommitTs, Source: domain.SourceChange}
	return entry.ID() + "/" + string(change.Operation), string(change.Operation)
}
