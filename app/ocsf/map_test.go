package ocsf_test

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"strings"
	"testing"

	"helfy/app/ocsf"
	"helfy/domain"
)

// required has the attributes that version 1.3.0 of the schema requires of
// each class, those of the base event included, and one of which there must be
// at least one: https://github.com/ocsf/ocsf-schema, events/iam/*.json.
var required = map[float64]struct{ all, one []string }{
	3001: {all: append(base, "user")},
	3002: {all: append(base, "user"), one: []string{"service", "dst_endpoint"}},
	3004: {all: append(base, "entity")},
}

var base = []string{"activity_id", "category_uid", "class_uid", "type_uid", "severity_id", "time", "metadata"}

// activityIDs are those that each class has; 0 and 99 are in all of them.
var activityIDs = map[float64]float64{3001: 12, 3002: 7, 3004: 4}

func event(eventType domain.EventType, payload string) domain.AuditEntry {
	row, err := json.Marshal(map[string]string{
		"id": "e", "aggregatetype": "user", "aggregateid": "7", "type": string(eventType), "payload": payload, "seq": "3",
		"metadata":    `{"actor":"user:1","sessionId":"s","ip":"192.0.2.1","userAgent":"curl","requestId":"r"}`,
		"occurred_at": "2026-11-23 01:02:03.000004",
	})
	if err != nil {
		panic(err)
	}
	return domain.AuditEntry{
		CommitTs: 470644783663284224, Table: "outbox", RowKey: "e", Source: domain.SourceEvent, EventType: eventType,
		UserID: 7, Username: "alice", IP: "192.0.2.1", Seq: 3, New: row,
	}
}

func change(before, after, ddl string) domain.AuditEntry {
	entry := domain.AuditEntry{CommitTs: 470644783663284224, Table: "users", RowKey: "7", Source: domain.SourceChange, UserID: 7, DDLType: ddl}
	if before != "" {
		entry.Old = json.RawMessage(before)
	}
	if after != "" {
		entry.New = json.RawMessage(after)
	}
	return entry
}

// mapped returns an event's JSON, as an object and as text.
func mapped(t *testing.T, entry domain.AuditEntry) (object map[string]any, text string) {
	t.Helper()
	line, err := json.Marshal(ocsf.Map(entry))
	if err == nil {
		err = json.Unmarshal(line, &object)
	}
	if err != nil {
		t.Fatal(err)
	}
	return object, string(line)
}

func requireValid(t *testing.T, name string, entry domain.AuditEntry) {
	t.Helper()
	e, text := mapped(t, entry)
	class, _ := e["class_uid"].(float64)
	want, known := required[class]
	if !known {
		t.Fatalf("%s: class %v", name, class)
	}
	for _, attribute := range want.all {
		if e[attribute] == nil {
			t.Errorf("%s: no %s: %s", name, attribute, text)
		}
	}
	found := len(want.one) == 0
	for _, attribute := range want.one {
		found = found || e[attribute] != nil
	}
	if !found {
		t.Errorf("%s: none of %v", name, want.one)
	}
	activity, _ := e["activity_id"].(float64)
	if activity != 99 && (activity < 1 || activity > activityIDs[class]) {
		t.Errorf("%s: activity %v of class %v", name, activity, class)
	}
	if e["type_uid"] != class*100+activity || e["category_uid"] != 3.0 || e["time"] != float64(domain.TimeOfTSO(entry.CommitTs).UnixMilli()) {
		t.Errorf("%s: %s", name, text)
	}
	for _, attribute := range []string{"activity_name", "class_name", "type_name", "severity", "status"} {
		if e[attribute] == "" {
			t.Errorf("%s: %s is empty", name, attribute)
		}
	}
	about, _ := e["metadata"].(map[string]any)
	product, _ := about["product"].(map[string]any)
	if about["version"] != "1.3.0" || product["name"] != "Helfy" || about["uid"] != entry.ID() || about["event_code"] == "" {
		t.Errorf("%s: metadata %v", name, about)
	}
	if user, ok := e["user"].(map[string]any); ok && user["name"] == nil && user["uid"] == nil {
		t.Errorf("%s: nobody is the user", name)
	}
}

// eventTypes are all of the domain's.
func eventTypes(t *testing.T) (types []domain.EventType) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "../../domain/event.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(node ast.Node) bool {
		spec, ok := node.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if kind, ok := spec.Type.(*ast.Ident); ok && kind.Name == "EventType" {
			text, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			types = append(types, domain.EventType(text))
		}
		return true
	})
	if len(types) < 20 {
		t.Fatalf("found %v", types)
	}
	return types
}

func TestEveryEventTypeHasTheAttributesThatItsClassRequires(t *testing.T) {
	for _, eventType := range eventTypes(t) {
		requireValid(t, string(eventType), event(eventType, `{"userId":7,"username":"alice","route":"GET /api/audit"}`))
		if e, text := mapped(t, event(eventType, `{}`)); e["activity_name"] == string(eventType) {
			t.Errorf("%s is not mapped: %s", eventType, text)
		}
	}
	requireValid(t, "unknown", event("NEW_TYPE", "{}"))
	requireValid(t, "by hand", domain.AuditEntry{CommitTs: 470644783663284224, Source: domain.SourceEvent, EventType: domain.LoginFailure})
}

func TestEveryChangeHasTheAttributesThatItsClassRequires(t *testing.T) {
	for operation, entry := range map[string]domain.AuditEntry{
		"INSERT": change("", `{"id":"7"}`, ""), "UPDATE": change(`{"id":"7"}`, `{"id":"8"}`, ""), "DELETE": change(`{"id":"7"}`, "", ""),
		"TRUNCATE": change("", `{"query":"TRUNCATE users"}`, "TRUNCATE"),
	} {
		requireValid(t, operation, entry)
		if _, text := mapped(t, entry); !strings.Contains(text, `"event_code":"`+operation+`"`) {
			t.Errorf("%s: %s", operation, text)
		}
	}
}

func TestARefusedLoginTellsWhyAndHowOften(t *testing.T) {
	e, text := mapped(t, event(domain.LoginFailure, `{"userId":7,"username":"alice","reason":"flood","count":12}`))
	for _, part := range []string{
		`"type_uid":300201`, `"status":"Failure"`, `"status_detail":"flood"`, `"count":12`, `"severity":"Medium"`,
		`"user":{"uid":"7","name":"alice"}`, `"src_endpoint":{"ip":"192.0.2.1"}`, `"actor":{"user":{"uid":"1"},"session":{"uid":"s"}}`,
		`"http_request":{"uid":"r","user_agent":"curl"}`, `"original_time":"2026-11-23T01:02:03.000004Z"`, `"sequence":3`,
	} {
		if !strings.Contains(text, part) {
			t.Errorf("no %s in %s", part, text)
		}
	}
	if e["entity"] != nil {
		t.Errorf("a login has an entity: %s", text)
	}
}

func TestAChangeTellsItsRowsButNoHashOfAToken(t *testing.T) {
	_, text := mapped(t, change(`{"id":"7","role":"user","token_hash":"abc"}`, `{"id":"7","role":"admin","token_hash":"def"}`, ""))
	if !strings.Contains(text, `"entity":{"type":"row of users","name":"users","uid":"7","data":{"id":"7","role":"user"}}`) ||
		!strings.Contains(text, `"entity_result":{"type":"row of users","name":"users","uid":"7","data":{"id":"7","role":"admin"}}`) {
		t.Error(text)
	}
}
