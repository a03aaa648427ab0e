package ticdc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"

	"helfy/app/command"
	"helfy/app/query"
	"helfy/domain"
)

// answering is a server that answers everything alike.
func answering(t *testing.T, status int, body string) Feed {
	t.Helper()
	return served(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	})
}

func served(t *testing.T, handler http.HandlerFunc) Feed {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return NewFeed(NewClient(server.URL+"/"), example())
}

// fault is an error as TiCDC answers it.
func fault(code, message string) string {
	text, err := json.Marshal(map[string]string{"error_msg": "[CDC:" + code + "]" + message, "error_code": "CDC:" + code})
	if err != nil {
		panic(err) // texts have a JSON form
	}
	return string(text)
}

// running is testdata/changefeed.json, which TiCDC's own structs have written,
// with what this service asks for laid over it.
func running(t *testing.T) map[string]any {
	t.Helper()
	text, err := os.ReadFile("testdata/changefeed.json")
	if err != nil {
		t.Fatal(err)
	}
	found := decode(t, text)
	want, err := example().request()
	if err != nil {
		t.Fatal(err)
	}
	found["id"], found["sink_uri"] = want.ID, want.SinkURI
	config := found["config"].(map[string]any)
	written := config["filter"].(map[string]any)["event_filters"].([]any)[0].(map[string]any)
	found["config"] = overlay(config, want.Config)
	// TiCDC writes an event filter with all its members.
	filters := found["config"].(map[string]any)["filter"].(map[string]any)["event_filters"].([]any)
	for name, value := range filters[0].(map[string]any) {
		written[name] = value
	}
	found["config"].(map[string]any)["filter"].(map[string]any)["event_filters"] = []any{written}
	return decode(t, []byte(asText(t, found)))
}

func asText(t *testing.T, document any) string {
	t.Helper()
	text, err := json.Marshal(document)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func section(found map[string]any, names ...string) map[string]any {
	at := found["config"].(map[string]any)
	for _, name := range names {
		at = at[name].(map[string]any)
	}
	return at
}

func TestWhereAChangefeedDiffersIsNamed(t *testing.T) {
	for name, c := range map[string]struct {
		change func(found map[string]any)
		want   string // of the differences, empty for none
	}{
		"the same": {func(map[string]any) {}, ""},
		"the new architecture": {func(f map[string]any) {
			delete(f, "namespace")
			f["keyspace"], f["upstream_id"] = "default", 1
		}, ""},
		"other default": {func(f map[string]any) { section(f)["memory_quota"] = 1 }, ""},
		"other order":   {func(f map[string]any) { slices.Reverse(section(f, "filter")["rules"].([]any)) }, ""},
		"unset members": {func(f map[string]any) {
			delete(section(f), "case_sensitive")
			delete(section(f, "sink", "kafka_config"), "large_message_handle")
		}, ""},
		"other rules":     {func(f map[string]any) { section(f, "filter")["rules"] = []any{"*.*"} }, "config.filter.rules"},
		"another rule":    {func(f map[string]any) { section(f, "filter")["rules"] = []any{"helfy.users", "helfy.sessions"} }, "config.filter.rules"},
		"no event filter": {func(f map[string]any) { delete(section(f, "filter"), "event_filters") }, "config.filter.event_filters"},
		"a condition": {func(f map[string]any) {
			section(f, "filter")["event_filters"].([]any)[0].(map[string]any)["ignore_insert_value_expr"] = "id > 0"
		}, "ignore_insert_value_expr"},
		"a hidden transaction": {func(f map[string]any) { section(f, "filter")["ignore_txn_start_ts"] = []any{1} }, "ignore_txn_start_ts"},
		"no dispatchers":       {func(f map[string]any) { section(f, "sink")["dispatchers"] = []any{} }, "config.sink.dispatchers"},
		"dispatchers turned":   {func(f map[string]any) { slices.Reverse(section(f, "sink")["dispatchers"].([]any)) }, "config.sink.dispatchers[0]"},
		"column selectors": {func(f map[string]any) {
			section(f, "sink")["column_selectors"] = []any{map[string]any{"columns": []any{"*"}}}
		}, "config.sink.column_selectors"},
		"protocol":      {func(f map[string]any) { section(f, "sink")["protocol"] = "avro" }, "config.sink.protocol"},
		"fewer columns": {func(f map[string]any) { section(f, "sink")["only_output_updated_columns"] = true }, "only_output_updated"},
		"an end":        {func(f map[string]any) { f["target_ts"] = 470000000000000000 }, "target_ts"},
		"no extension": {func(f map[string]any) {
			f["sink_uri"] = strings.Replace(example().SinkURI(), "enable-tidb-extension=true", "enable-tidb-extension=false", 1)
		}, "enable-tidb-extension"},
		"topic": {func(f map[string]any) {
			f["sink_uri"] = strings.Replace(example().SinkURI(), "/tidb-cdc-events", "/other", 1)
		}, "topic"},
		"partitions": {func(f map[string]any) {
			f["sink_uri"] = strings.Replace(example().SinkURI(), "partition-num=8", "partition-num=4", 1)
		}, "partition-num"},
		"more asked": {func(f map[string]any) { f["sink_uri"] = example().SinkURI() + "&content-compatible=true" }, "content-compatible"},
		"no sink":    {func(f map[string]any) { f["sink_uri"] = "" }, "sink_uri"},
	} {
		found := running(t)
		c.change(found)
		seen, err := answering(t, http.StatusOK, asText(t, found)).Look(t.Context())
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := strings.Join(seen.Differences, "\n"); !strings.Contains(got, c.want) || (got == "") != (c.want == "") {
			t.Errorf("%s: differences are %q, want %q", name, got, c.want)
		}
		if want := query.ChangefeedNormal; (seen.State == want) != (c.want == "") {
			t.Errorf("%s: state is %s", name, seen.State)
		}
	}
}

func TestSecretsOfTheSinkAreComparedAsFarAsTiCDCTellsThemAndNeverTold(t *testing.T) {
	const password = "S3cret-of-TiCDC"
	feed := example()
	feed.TLS, feed.TLSKey = true, "/tls/feed.key"
	feed.SASL, feed.SASLUsername, feed.SASLPassword = "SCRAM-SHA-512", "feed", domain.NewSecret(password)
	mask := strings.NewReplacer(password, masked, "%2Ftls%2Ffeed.key", masked)
	for name, c := range map[string]struct{ want, got, tells string }{
		"masked":          {feed.SinkURI(), mask.Replace(feed.SinkURI()), ""},
		"as it is":        {feed.SinkURI(), feed.SinkURI(), ""},
		"another":         {feed.SinkURI(), strings.Replace(feed.SinkURI(), password, "other-"+password, 1), "sasl-password"},
		"none":            {feed.SinkURI(), strings.Replace(feed.SinkURI(), "sasl-password="+password, "", 1), "sasl-password"},
		"unwanted":        {example().SinkURI(), mask.Replace(feed.SinkURI()), "sasl-password"},
		"another account": {feed.SinkURI(), strings.Replace(mask.Replace(feed.SinkURI()), "sasl-user=feed", "sasl-user=eve", 1), "sasl-user"},
	} {
		told := strings.Join(compareSinks(c.want, c.got), "\n")
		if !strings.Contains(told, c.tells) || (told == "") != (c.tells == "") || strings.Contains(told, password) {
			t.Errorf("%s: tells %q, want %q", name, told, c.tells)
		}
	}
	for _, text := range []string{
		"invalid sink uri kafka://feed:" + password + "@kafka:9092/t", "parse kafka://k/t?sasl-password=" + password + "&x=1",
		`{"sink_uri":"kafka://k/t?a=1\u0026sasl-password=` + password + `"}`, "SASL-PASSWORD=" + password,
	} {
		for what, err := range map[string]error{
			"an answer":  apiError(http.StatusBadRequest, []byte(fault(codeSinkURI, text))),
			"no answer":  apiError(http.StatusBadGateway, []byte(text)),
			"of a state": errors.New(Fault{Code: "CDC:" + codeSinkURI, Message: text}.String()),
		} {
			if strings.Contains(err.Error(), password) {
				t.Errorf("%s tells the password: %v", what, err)
			}
		}
	}
}

func TestEveryStateIsToldAsWhatItIs(t *testing.T) {
	for state, want := range map[string]query.ChangefeedState{
		"normal": query.ChangefeedNormal, "": query.ChangefeedNormal, "warning": query.ChangefeedWarning, "pending": query.ChangefeedWarning,
		"stopped": query.ChangefeedStopped, "failed": query.ChangefeedFailed, "finished": query.ChangefeedFinished, "removed": query.ChangefeedMissing,
	} {
		found := running(t)
		found["state"] = state
		feed := served(t, func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "/status") {
				_, _ = io.WriteString(w, `{"state":"warning","resolved_ts":2,"checkpoint_ts":1,"last_warning":{"time":"2026-01-01T00:00:00Z","addr":"a","code":"CDC:ErrKafkaAsyncSendMessage","message":"no broker"}}`)
				return
			}
			_, _ = io.WriteString(w, asText(t, found))
		})
		seen, err := feed.Look(t.Context())
		if err != nil || seen.State != want {
			t.Errorf("%q is told as %q, %v, want %q", state, seen.State, err, want)
		}
		if want == query.ChangefeedWarning && seen.Fault != "CDC:ErrKafkaAsyncSendMessage: no broker" {
			t.Errorf("the warning is told as %q", seen.Fault)
		}
	}
	found := running(t)
	found["state"] = "failed"
	found["error"] = map[string]any{"addr": "a", "code": "CDC:ErrGCTTLExceeded", "message": "the checkpoint-ts lag has exceeded the GC TTL"}
	seen, err := answering(t, http.StatusOK, asText(t, found)).Look(t.Context())
	if err != nil || seen.State != query.ChangefeedFailed || !strings.Contains(seen.Fault, "ErrGCTTLExceeded: the checkpoint-ts lag") {
		t.Errorf("got %+v, %v", seen, err)
	}
	found["state"] = "frozen"
	if seen, err := answering(t, http.StatusOK, asText(t, found)).Look(t.Context()); err == nil || !strings.Contains(err.Error(), `"frozen"`) {
		t.Errorf("a state that nobody knows is %+v, %v", seen, err)
	}
}

// answers are what TiCDC, or something in front of it, may say instead of what
// was asked for.
var answers = map[string]struct {
	status    int
	body      string
	says      string // what the error must say
	transient bool
}{
	"bad parameter":    {400, fault(codeInvalid, "invalid changefeed_id: a_b"), "CHANGEFEED_ID", false},
	"sink":             {400, fault(codeSinkURI, "sink uri invalid"), "CHANGEFEED_KAFKA_BROKERS", false},
	"ineligible":       {400, fault(codeIneligible, "some tables are not eligible to replicate([{helfy users}])"), "helfy migrate up", false},
	"filter":           {400, fault(codeFilter, "filter rule is invalid"), "TIDB_DATABASE", false},
	"not ready":        {503, fault(codeNotReady, "cdc server is not ready"), "ErrServerIsNotReady", true},
	"no owner":         {500, fault("ErrOwnerNotFound", "owner not found"), "owner not found", true},
	"PD is away":       {500, fault("ErrPDEtcdAPIError", "etcd api call error"), "etcd", true},
	"Kafka is away":    {500, fault("ErrKafkaNewProducer", "new kafka producer: dial tcp: refused"), "kafka producer", true},
	"partitions":       {500, fault("ErrKafkaInvalidPartitionNum", "the number of partition (8) specified in sink-uri is more than that of actual topic (4)"), "specified in sink-uri", false},
	"deletion goes on": {500, fault("ErrChangeFeedDeletionUnfinished", "changefeed exists after deletion"), "after deletion", true},
	"a bug":            {500, fault("ErrInternalServerError", "panic"), "panic", false},
	"a proxy":          {502, "<html><body>Bad Gateway</body></html>", "Bad Gateway", true},
	"a proxy's login":  {401, "<html>please sign in</html>", "please sign in", false},
	"another server":   {404, "404 page not found", "404 page not found", false},
	"empty":            {500, "", "500", false},
	"no member":        {500, "{}", "500", false},
}

func TestWhatTiCDCRefusesIsToldWithWhatToDo(t *testing.T) {
	for name, answer := range answers {
		feed := answering(t, answer.status, answer.body)
		_, look := feed.Look(t.Context())
		for what, err := range map[string]error{
			"look": look, "create": feed.Create(t.Context(), 0), "pause": feed.Pause(t.Context()), "resume": feed.Resume(t.Context()),
			"remove": feed.Remove(t.Context()), "ready": feed.client.Ready(t.Context()),
		} {
			if err == nil || !strings.Contains(err.Error(), answer.says) {
				t.Errorf("%s: %s: %v, want it to say %q", name, what, err, answer.says)
			}
			if IsTransient(err) != answer.transient || IsRefused(err) == answer.transient {
				t.Errorf("%s: %s: %v: transient is %v, refused %v", name, what, err, IsTransient(err), IsRefused(err))
			}
		}
	}
}

func TestAnswersThatMeanSomethingAreUnderstood(t *testing.T) {
	notThere := answering(t, 400, fault(codeNotExists, "changefeed not exists, default/users-outbox"))
	if seen, err := notThere.Look(t.Context()); err != nil || seen.State != query.ChangefeedMissing {
		t.Errorf("got %+v, %v", seen, err)
	}
	if err := notThere.Remove(t.Context()); err != nil {
		t.Errorf("to remove what is not there: %v", err)
	}
	exists := answering(t, 500, fault(codeAlreadyExists, "changefeed already exists, users-outbox"))
	if err := exists.Create(t.Context(), 0); !errors.Is(err, command.ErrChangefeedExists) {
		t.Errorf("got %v", err)
	}
	behind := answering(t, 400, fault(codeBeforeGC, "fail to create or maintain changefeed because start-ts 1 is earlier than or equal to GC safepoint at 2"))
	if err := behind.Create(t.Context(), 1); !errors.Is(err, command.ErrBehindGC) {
		t.Errorf("got %v", err)
	}
	if err := behind.Resume(t.Context()); !errors.Is(err, command.ErrBehindGC) {
		t.Errorf("got %v", err)
	}
	if err := answering(t, 500, fault(codeGCTTL, "the checkpoint-ts lag has exceeded the GC TTL")).Resume(t.Context()); !errors.Is(err, command.ErrBehindGC) {
		t.Errorf("got %v", err)
	}
	// The new architecture answers the removal of what is not there so.
	if err := answering(t, 200, "null").Remove(t.Context()); err != nil {
		t.Errorf("got %v", err)
	}
	refused := served(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			_, _ = io.WriteString(w, asText(t, running(t)))
			return
		}
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, fault(codeUpdateRefused, "changefeed update error: can only update changefeed config when it is stopped or failed"))
	})
	if err := refused.Update(t.Context()); !errors.Is(err, command.ErrUpdateRefused) {
		t.Errorf("got %v", err)
	}
}

func TestAnswersThatAreCutShortOrComeFromElsewhereAreNotBelieved(t *testing.T) {
	whole := asText(t, running(t))
	for name, c := range map[string]struct {
		handler   http.HandlerFunc
		says      string
		transient bool
	}{
		"cut short": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", fmt.Sprint(len(whole)))
			_, _ = io.WriteString(w, whole[:100])
		}, "unexpected EOF", true},
		"half a document": {func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, whole[:100]) }, "TICDC_URL", false},
		"a page":          {func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>welcome</html>") }, "welcome", false},
		"sent on": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://sso/?token=abc", http.StatusFound)
		}, "https://sso/", false},
		"hung up": {func(w http.ResponseWriter, _ *http.Request) {
			panic(http.ErrAbortHandler)
		}, "EOF", true},
	} {
		_, err := served(t, c.handler).Look(t.Context())
		if err == nil || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "abc") {
			t.Errorf("%s: %v, want it to say %s", name, err, c.says)
		}
		if IsTransient(err) != c.transient {
			t.Errorf("%s: %v: transient is %v", name, err, IsTransient(err))
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := answering(t, 200, whole).Look(ctx); !errors.Is(err, context.Canceled) || IsTransient(err) {
		t.Errorf("got %v", err)
	}
}

// TiCDC's classic architecture takes an update's configuration as it is, and
// what is left out for unset; it tells durations in nanoseconds and reads them
// as text.
func TestAnUpdateKeepsWhatItDoesNotChange(t *testing.T) {
	var sent request
	feed := served(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut {
			if err := json.NewDecoder(r.Body).Decode(&sent); err != nil {
				t.Error(err)
			}
		}
		found := running(t)
		section(found)["memory_quota"] = 7
		section(found, "filter")["ignore_txn_start_ts"] = []any{1}
		section(found, "sink")["protocol"] = "avro"
		_, _ = io.WriteString(w, asText(t, found))
	})
	if err := feed.Update(t.Context()); err != nil {
		t.Fatal(err)
	}
	if sent.ID != "" || sent.StartTs != 0 || sent.SinkURI != example().SinkURI() {
		t.Errorf("sent %+v", sent)
	}
	if sent.Config["memory_quota"] != 7.0 || sent.Config["changefeed_error_stuck_duration"] != "30m0s" || sent.Config["sync_point_interval"] != "10m0s" {
		t.Errorf("sent %v", sent.Config)
	}
	if _, kept := sent.Config["filter"].(map[string]any)["ignore_txn_start_ts"]; kept {
		t.Error("what hides transactions stays")
	}
	if sent.Config["sink"].(map[string]any)["protocol"] != "canal-json" {
		t.Errorf("sent %v", sent.Config["sink"])
	}
}
