package ticdc

import (
	"encoding/json"
	"net/url"
	"os"
	"reflect"
	"strings"
	"testing"

	"helfy/domain"
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
	delete(got["replica_config"].(map[string]any)["sink"].(map[string]any), "column_selectors") // none there either
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

func TestTheSinkURISaysHowTiCDCIsToSignIn(t *testing.T) {
	plain, err := url.Parse(example().SinkURI())
	if err != nil {
		t.Fatal(err)
	}
	feed := example()
	feed.TLS, feed.TLSCA, feed.TLSCert, feed.TLSKey = true, "/tls/ca.pem", "/tls/feed.pem", "/tls/feed.key"
	feed.SASL, feed.SASLUsername, feed.SASLPassword = "SCRAM-SHA-512", "feed", domain.NewSecret("p&ss=w%rd")
	protected, err := url.Parse(feed.SinkURI())
	if err != nil {
		t.Fatal(err)
	}
	for option, want := range map[string]string{
		"enable-tls": "true", "ca": "/tls/ca.pem", "cert": "/tls/feed.pem", "key": "/tls/feed.key",
		"sasl-mechanism": "SCRAM-SHA-512", "sasl-user": "feed", "sasl-password": "p&ss=w%rd",
	} {
		if got := protected.Query().Get(option); got != want {
			t.Errorf("%s is %q, want %q", option, got, want)
		}
		if plain.Query().Has(option) {
			t.Errorf("%s is set, though nobody wants it", option)
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
	found := func() *details {
		config := decode(t, body)["replica_config"].(map[string]any)
		config["memory_quota"] = 1073741824.0 // a default that nobody asked for
		filter := config["filter"].(map[string]any)["event_filters"].([]any)[0].(map[string]any)
		filter["ignore_sql"], filter["ignore_insert_value_expr"] = nil, ""
		return &details{Status: Status{State: "normal"}, SinkURI: example().SinkURI(), Config: config}
	}
	if err := check(example(), found()); err != nil {
		t.Errorf("the same changefeed differs: %v", err)
	}
	config := func(d *details, section string) map[string]any {
		return d.Config.(map[string]any)[section].(map[string]any)
	}
	for want, change := range map[string]func(*details){
		"filter.rules":         func(d *details) { config(d, "filter")["rules"] = []any{"*.*"} },
		"filter.event_filters": func(d *details) { delete(config(d, "filter"), "event_filters") },
		"ignore_insert_value_expr": func(d *details) {
			config(d, "filter")["event_filters"].([]any)[0].(map[string]any)["ignore_insert_value_expr"] = "id > 0"
		},
		"sink.dispatchers":      func(d *details) { config(d, "sink")["dispatchers"] = []any{} },
		"sink.protocol":         func(d *details) { config(d, "sink")["protocol"] = "avro" },
		"only_output_updated":   func(d *details) { config(d, "sink")["only_output_updated_columns"] = true },
		"sink.column_selectors": func(d *details) { config(d, "sink")["column_selectors"] = []any{map[string]any{"columns": []any{"*"}}} },
		"sink_uri":              func(d *details) { d.SinkURI = strings.Replace(d.SinkURI, "enable-tidb-extension=true", "", 1) },
		"is stopped":            func(d *details) { d.State = "stopped" },
	} {
		other := found()
		change(other)
		if err := check(example(), other); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want an error that names %s, got %v", want, err)
		}
	}
}
