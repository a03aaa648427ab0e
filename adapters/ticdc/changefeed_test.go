package ticdc

import (
	"encoding/json"
	"net/url"
	"os"
	"reflect"
	"strings"
	"testing"
)

func example() Changefeed {
	return Changefeed{
		ID: "users-outbox", Database: "helfy", ChangesTopic: "tidb-cdc-events", EventsTopic: "user-events",
		Partitions: 8, Replication: 1, Brokers: []string{"kafka:19092"},
	}
}

func decode(t *testing.T, text []byte) map[string]any {
	t.Helper()
	var document map[string]any
	if err := json.Unmarshal(text, &document); err != nil {
		t.Fatal(err)
	}
	return document
}

// testdata/create-changefeed.v2.json went through TiCDC v8.5.5's own
// validation.
func TestTheDefinitionIsOneThatTiCDCAccepts(t *testing.T) {
	accepted, err := os.ReadFile("testdata/create-changefeed.v2.json")
	if err != nil {
		t.Fatal(err)
	}
	ours, err := example().createRequest()
	if err != nil {
		t.Fatal(err)
	}
	got, want := decode(t, ours), decode(t, accepted)
	delete(got, "sink_uri")
	requirePart(t, "", got, want)
}

// requirePart checks that every member of got is in want with the same value.
func requirePart(t *testing.T, path string, got, want any) {
	t.Helper()
	object, ok := got.(map[string]any)
	if !ok {
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s is %v, want %v", path, got, want)
		}
		return
	}
	for name, member := range object {
		wanted, ok := want.(map[string]any)[name]
		if !ok {
			t.Errorf("%s.%s is unknown", path, name)
			continue
		}
		requirePart(t, path+"."+name, member, wanted)
	}
}

func TestTheSinkURISaysWhatTheTopicsNeed(t *testing.T) {
	feed := example()
	feed.Brokers = []string{"a:1", "b:2"}
	uri, err := url.Parse(feed.SinkURI())
	if err != nil {
		t.Fatal(err)
	}
	if uri.Scheme != "kafka" || uri.Host != "a:1,b:2" || uri.Path != "/tidb-cdc-events" {
		t.Errorf("got %s", uri)
	}
	for option, want := range map[string]string{
		"protocol": "canal-json", "enable-tidb-extension": "true", "partition-num": "8", "auto-create-topic": "false",
	} {
		if got := uri.Query().Get(option); got != want {
			t.Errorf("%s is %q, want %q", option, got, want)
		}
	}
}

func TestNamesCannotBreakTheDefinition(t *testing.T) {
	feed := example()
	feed.Database = `he"l\fy`
	body, err := feed.createRequest()
	if err != nil {
		t.Fatal(err)
	}
	decode(t, body)
}

func TestADifferenceIsNamed(t *testing.T) {
	body, err := example().createRequest()
	if err != nil {
		t.Fatal(err)
	}
	var same details
	same.State, same.SinkURI = "normal", example().SinkURI()
	var request struct {
		Config config `json:"replica_config"`
	}
	if err := json.Unmarshal(body, &request); err != nil {
		t.Fatal(err)
	}
	same.Config = request.Config
	if err := check(example(), &same); err != nil {
		t.Errorf("the same changefeed differs: %v", err)
	}
	for want, change := range map[string]func(*details){
		"filter rules":  func(d *details) { d.Config.Filter.Rules = []string{"*.*"} },
		"event filters": func(d *details) { d.Config.Filter.EventFilters = nil },
		"dispatchers":   func(d *details) { d.Config.Sink.Dispatchers = d.Config.Sink.Dispatchers[:1] },
		"protocol":      func(d *details) { d.Config.Sink.Protocol = "avro" },
		"sink":          func(d *details) { d.SinkURI = strings.Replace(d.SinkURI, "enable-tidb-extension=true", "", 1) },
		"is stopped":    func(d *details) { d.State = "stopped" },
	} {
		other := same
		change(&other)
		if err := check(example(), &other); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want an error that names %s, got %v", want, err)
		}
	}
}
