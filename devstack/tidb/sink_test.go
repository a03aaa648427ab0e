package tidb_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
)

func stateOf(t *testing.T, c client, id string) (state, code string) {
	t.Helper()
	status, answer := c.do(t, http.MethodGet, "/api/v2/changefeeds/"+id, nil)
	if status != http.StatusOK {
		t.Fatalf("changefeed %s: %d %v", id, status, answer)
	}
	if fault, ok := answer["error"].(map[string]any); ok {
		code, _ = fault["code"].(string)
	}
	state, _ = answer["state"].(string)
	return state, code
}

func waitForState(t *testing.T, c client, id, want string) {
	t.Helper()
	eventually(t, "state of "+id, func() error {
		if state, _ := stateOf(t, c, id); state != want {
			return fmt.Errorf("%s, want %s", state, want)
		}
		return nil
	})
}

func TestKafkaMayBeAway(t *testing.T) {
	options := []kfake.Opt{kfake.NumBrokers(1), kfake.Ports(freePort()), kfake.DataDir(t.TempDir()), kfake.SeedTopics(1, "away")}
	kafka, err := kfake.NewCluster(options...)
	if err != nil {
		t.Fatal(err)
	}
	db := open(t, sqlPort)
	newDatabase(t, db, "away")
	mustExec(t, db, "CREATE TABLE away.t (id INT PRIMARY KEY)")
	api.create(t, map[string]any{"changefeed_id": "away", "sink_uri": sinkURI(kafka, "away", "enable-tidb-extension=true"),
		"replica_config": map[string]any{"filter": map[string]any{"rules": []string{"away.*"}}}})
	t.Cleanup(func() { api.remove(t, "away") })
	var want []string
	insert := func() {
		id := len(want) + 1
		mustExec(t, db, "INSERT INTO away.t VALUES (?)", id)
		want = append(want, fmt.Sprintf("t INSERT id=%d", id))
	}
	insert()
	consume(t, kafka, "away").changes(t, 1)
	kafka.Close()
	for range 50 {
		insert()
	}
	waitForState(t, api, "away", "warning")
	insert()
	if kafka, err = kfake.NewCluster(options...); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(kafka.Close)
	seen := map[string]bool{}
	var first []string
	for _, text := range texts(t, consume(t, kafka, "away").upTo(t, 1, now(t, db))) {
		if !seen[text] {
			first = append(first, text)
		}
		seen[text] = true
	}
	expect(t, first, want...)
	waitForState(t, api, "away", "normal")
}

func TestMessageOverTheLimitFailsTheChangefeed(t *testing.T) {
	kafka := newKafka(t, 1, "toolarge")
	db := open(t, sqlPort)
	newDatabase(t, db, "toolarge")
	mustExec(t, db, "CREATE TABLE toolarge.t (id INT PRIMARY KEY, v TEXT)")
	api.create(t, map[string]any{"changefeed_id": "toolarge", "sink_uri": sinkURI(kafka, "toolarge", "max-message-bytes=1000"),
		"replica_config": map[string]any{"filter": map[string]any{"rules": []string{"toolarge.*"}}}})
	t.Cleanup(func() { api.remove(t, "toolarge") })
	mustExec(t, db, "INSERT INTO toolarge.t VALUES (1, 'small')")
	mustExec(t, db, "INSERT INTO toolarge.t VALUES (2, ?)", strings.Repeat("x", 1000))
	waitForState(t, api, "toolarge", "failed")
	if _, code := stateOf(t, api, "toolarge"); code != "CDC:ErrMessageTooLarge" {
		t.Errorf("error code %s", code)
	}
}

func TestFiltersDispatchersAndWatermarks(t *testing.T) {
	kafka := newKafka(t, 3, "routed", "routed-outbox")
	db := open(t, sqlPort)
	newDatabase(t, db, "routed")
	mustExec(t, db, "CREATE TABLE routed.Users (id INT PRIMARY KEY, name VARCHAR(10))")
	mustExec(t, db, "CREATE TABLE routed.outbox (id INT PRIMARY KEY, aggregateid VARCHAR(10))")
	mustExec(t, db, "CREATE TABLE routed.other (id INT PRIMARY KEY)")
	api.create(t, map[string]any{"changefeed_id": "routed", "sink_uri": sinkURI(kafka, "routed", "enable-tidb-extension=true&partition-num=2"),
		"replica_config": map[string]any{
			"filter": map[string]any{"rules": []string{"routed.users", "routed.outbox"}, "event_filters": []any{
				map[string]any{"matcher": []string{"routed.outbox"}, "ignore_event": []string{"delete", "update", "truncate table"}}}},
			"sink": map[string]any{"dispatchers": []any{
				map[string]any{"matcher": []string{"routed.outbox"}, "topic": "routed-outbox", "partition": "columns", "columns": []string{"aggregateid"}},
				map[string]any{"matcher": []string{"routed.users"}, "partition": "index-value"},
			}}}})
	t.Cleanup(func() { api.remove(t, "routed") })
	for i := range 30 {
		mustExec(t, db, "INSERT INTO routed.Users VALUES (?, 'n')", i)
		mustExec(t, db, "INSERT INTO routed.outbox VALUES (?, ?)", i, fmt.Sprint("u", i%5))
		mustExec(t, db, "INSERT INTO routed.other VALUES (?)", i)
	}
	mustExec(t, db, "UPDATE routed.Users SET name = 'm'")
	mustExec(t, db, "UPDATE routed.outbox SET aggregateid = 'moved'")
	mustExec(t, db, "DELETE FROM routed.outbox")

	// Two partitions of the default topic, as partition-num says, and all of the other.
	partitions := map[string]int32{}
	used := map[string]map[int32]int{"routed": {}, "routed-outbox": {}}
	for _, r := range consume(t, kafka, "routed", "routed-outbox").upTo(t, 2+3, now(t, db)) {
		c := change(t, r)
		key := c.Table + c.New[0].Text
		if c.Table == "outbox" {
			key = c.New[1].Text
		}
		if before, ok := partitions[key]; ok && before != r.Partition {
			t.Errorf("%s is in the partitions %d and %d", key, before, r.Partition)
		}
		partitions[key] = r.Partition
		used[r.Topic][r.Partition]++
		if c.Table == "other" || c.Table == "outbox" && c.Operation != "INSERT" {
			t.Errorf("not filtered: %s %s", c.Table, c.Operation)
		}
	}
	count := func(topic string) (n int) {
		for _, changes := range used[topic] {
			n += changes
		}
		return n
	}
	if count("routed") != 60 || count("routed-outbox") != 30 || len(used["routed"]) != 2 || len(used["routed-outbox"]) < 2 {
		t.Errorf("changes per partition: %v", used)
	}
}

func TestChangefeedsSurviveARestart(t *testing.T) {
	kafka := newKafka(t, 1, "restart")
	s := newServer(t)
	db := open(t, s.sqlPort)
	mustExec(t, db, "CREATE DATABASE restart")
	mustExec(t, db, "CREATE TABLE restart.t (id INT PRIMARY KEY)")
	s.api.create(t, map[string]any{"changefeed_id": "restart", "sink_uri": sinkURI(kafka, "restart", "enable-tidb-extension=true"),
		"replica_config": map[string]any{"filter": map[string]any{"rules": []string{"restart.*"}}}})
	restart := func() {
		s.stop(t)
		s.start(t)
		eventually(t, "connect after the restart", func() error { return db.PingContext(t.Context()) })
	}
	call := func(what string) {
		if status, answer := s.api.do(t, http.MethodPost, "/api/v2/changefeeds/restart/"+what, map[string]any{}); status != http.StatusOK {
			t.Fatalf("%s: %d %v", what, status, answer)
		}
	}
	mustExec(t, db, "INSERT INTO restart.t VALUES (1)")
	restart()
	mustExec(t, db, "INSERT INTO restart.t VALUES (2)")
	call("pause")
	mustExec(t, db, "INSERT INTO restart.t VALUES (3)")
	restart()
	if state, _ := stateOf(t, s.api, "restart"); state != "stopped" {
		t.Errorf("state %s after the restart", state)
	}
	mustExec(t, db, "INSERT INTO restart.t VALUES (4)")
	call("resume")
	// What was being sent when the changefeed was paused may be repeated.
	expect(t, slices.Compact(texts(t, consume(t, kafka, "restart").upTo(t, 1, now(t, db)))),
		"t INSERT id=1", "t INSERT id=2", "t INSERT id=3", "t INSERT id=4")
}

func TestClockThatWentBackIsRefused(t *testing.T) {
	s := newServer(t)
	open(t, s.sqlPort)
	s.stop(t)
	s.ahead(t)
	if reason := s.refusal(t); !strings.Contains(reason, "the clock is 59m") {
		t.Errorf("ended with %s", reason)
	}
}

func TestDataOfAnotherFormatIsRefused(t *testing.T) {
	s := newServer(t)
	open(t, s.sqlPort)
	s.stop(t)
	path := filepath.Join(s.dir, "format.json")
	present, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func() error{
		"format 999": func() error { return os.WriteFile(path, []byte(`{"format": 999}`), 0o644) },
		"format 0":   func() error { return os.Remove(path) }, // from before there was one
	} {
		if err := change(); err != nil {
			t.Fatal(err)
		}
		reason := s.refusal(t)
		for _, part := range []string{s.dir, name, "reads format 1", "remove all", "go tool task dev:reset"} {
			if !strings.Contains(reason, part) {
				t.Errorf("%s: %q is not in %s", name, part, reason)
			}
		}
	}
	if err := os.WriteFile(path, present, 0o644); err != nil {
		t.Fatal(err)
	}
	s.start(t)
	open(t, s.sqlPort)
}

func TestSecondInstanceIsRefused(t *testing.T) {
	s := newServer(t)
	db := open(t, s.sqlPort)
	second := &server{dir: s.dir, sqlPort: freePort(), ticdcPort: freePort()}
	second.start(t)
	defer second.kill()
	if err := second.process.Wait(); err == nil || !strings.Contains(second.errors.String(), "Another process is using") {
		t.Errorf("ended with %v: %s", err, second.errors.String())
	}
	second.process = nil
	mustExec(t, db, "CREATE DATABASE untouched")
}
