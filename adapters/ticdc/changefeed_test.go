package ticdc

import (
	"encoding/json"
	"net/url"
	"os"
	"reflect"
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

// body is the request that creates the changefeed.
func body(t *testing.T, feed Changefeed) []byte {
	t.Helper()
	filled, err := feed.request()
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(filled)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// testdata/create-changefeed.v2.json went through TiCDC v8.5.5's own
// validation.
func TestTheDefinitionIsOneThatTiCDCAccepts(t *testing.T) {
	accepted, err := os.ReadFile("testdata/create-changefeed.v2.json")
	if err != nil {
		t.Fatal(err)
	}
	got, want := decode(t, body(t, example())), decode(t, accepted)
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
	if got := decode(t, body(t, feed))["replica_config"].(map[string]any)["filter"].(map[string]any)["rules"].([]any)[0]; got != feed.Database+".users" {
		t.Errorf("rule is %v", got)
	}
}
