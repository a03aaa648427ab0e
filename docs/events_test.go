package docs_test

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"helfy/canaljson"
	"helfy/domain"
	"helfy/internal/stack"
	"helfy/service"
)

const eventsPage = "events.md"

// reasons names the type of the reasons that events of a type have.
var reasons = map[domain.EventType]string{
	domain.LoginFailure:   "FailureReason",
	domain.SessionExpired: "ExpiryReason",
}

// constants returns the texts of the domain's constants of a type.
func constants(t *testing.T, typeName string) []string {
	t.Helper()
	files, err := filepath.Glob("../domain/*.go")
	if err != nil {
		t.Fatal(err)
	}
	var texts []string
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(node ast.Node) bool {
			spec, ok := node.(*ast.ValueSpec)
			if !ok {
				return true
			}
			if kind, ok := spec.Type.(*ast.Ident); ok && kind.Name == typeName {
				text, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
				if err != nil {
					t.Fatal(err)
				}
				texts = append(texts, text)
			}
			return true
		})
	}
	slices.Sort(texts)
	return texts
}

// payloadTables returns the tables of payloads by the type of event.
func payloadTables(p page) map[string]table {
	tables := map[string]table{}
	for _, table := range p.tables {
		if table.header[0] == "payload" {
			tables[table.section] = table
		}
	}
	return tables
}

func TestEveryEventTypeAndReasonIsDocumented(t *testing.T) {
	p := read(t, eventsPage)
	if got, want := slices.Sorted(maps.Keys(payloadTables(p))), constants(t, "EventType"); !slices.Equal(got, want) {
		t.Errorf("documented types are %v, the domain's are %v", got, want)
	}
	for kind, constant := range reasons {
		got := slices.Sorted(slices.Values(p.table(t, string(kind), "reason").first()))
		if want := constants(t, constant); !slices.Equal(got, want) {
			t.Errorf("documented reasons of %s are %v, the domain's are %v", kind, got, want)
		}
	}
}

func TestWhatTheServiceProducesIsWhatIsDocumented(t *testing.T) {
	config := stack.New(t)
	changes := produceAll(t, config)
	events := make([]event, len(changes))
	for i, change := range changes {
		events[i] = newEvent(t, change)
	}
	p := read(t, eventsPage)
	t.Run("payload", func(t *testing.T) { checkPayloads(t, p, events) })
	t.Run("metadata", func(t *testing.T) { checkMetadata(t, p, events) })
	t.Run("reasons", func(t *testing.T) {
		for kind, constant := range reasons {
			seen := map[string]bool{}
			for _, e := range events {
				if reason, ok := e.payload["reason"].(string); ok && e.row["type"] == string(kind) {
					seen[reason] = true
				}
			}
			if got, want := slices.Sorted(maps.Keys(seen)), constants(t, constant); !slices.Equal(got, want) {
				t.Errorf("reasons of %s are %v, want %v", kind, got, want)
			}
		}
	})
	t.Run("chain", func(t *testing.T) { checkChain(t, p, keyOf(t, config), events) })
	t.Run("columns", func(t *testing.T) {
		checkColumns(t, p, config, "The outbox row", changes[0])
		checkColumns(t, p, config, "The users row", readChanges(t, config, config.ChangesTopic)[0])
	})
	t.Run("partitions", func(t *testing.T) { checkPartitions(t, config) })
}

// checkPayloads compares the members of each type and when they are present.
func checkPayloads(t *testing.T, p page, events []event) {
	t.Helper()
	total, present := map[string]int{}, map[string]map[string]int{}
	for _, e := range events {
		kind := e.row["type"]
		total[kind]++
		if present[kind] == nil {
			present[kind] = map[string]int{}
		}
		for name, value := range e.payload {
			present[kind][name]++
			for _, row := range payloadTables(p)[kind].rows {
				if code(row[0]) == name && jsonType(value) != row[1] {
					t.Errorf("%s: %s is of type %s, documented is %s", kind, name, jsonType(value), row[1])
				}
			}
		}
	}
	for kind, table := range payloadTables(p) {
		if got, want := slices.Sorted(slices.Values(table.first())), slices.Sorted(maps.Keys(present[kind])); !slices.Equal(got, want) {
			t.Errorf("%s: documented are %v, produced were %v", kind, got, want)
		}
		for _, row := range table.rows {
			always := present[kind][code(row[0])] == total[kind]
			if always != (row[3] == "always") {
				t.Errorf("%s: %s is documented as present %q, but was in %d of %d events",
					kind, row[0], row[3], present[kind][code(row[0])], total[kind])
			}
		}
	}
}

func jsonType(value any) string {
	switch v := value.(type) {
	case float64:
		return "integer"
	case string:
		return "string"
	case bool:
		return "boolean"
	case map[string]any:
		return "object"
	case []any:
		if len(v) > 0 && jsonType(v[0]) == "string" {
			return "array of strings"
		}
	}
	return fmt.Sprintf("%T", value)
}

// checkMetadata compares which members occur in which types of events.
func checkMetadata(t *testing.T, p page, events []event) {
	t.Helper()
	got, want := map[string]bool{}, map[string]bool{}
	for _, e := range events {
		for name := range e.metadata {
			got[e.row["type"]+" "+name] = true
		}
	}
	for _, row := range p.table(t, "Metadata", "metadata").rows {
		kinds := strings.Split(row[3], ", ")
		if row[3] == "all" {
			kinds = constants(t, "EventType")
		}
		for _, kind := range kinds {
			want[code(kind)+" "+code(row[0])] = true
		}
	}
	if !maps.Equal(got, want) {
		t.Errorf("produced were\n%v\ndocumented are\n%v", slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want)))
	}
}

// checkColumns compares a message's columns with the table of a section, and
// the types with those in the database.
func checkColumns(t *testing.T, p page, config service.Config, section string, change *canaljson.Change) {
	t.Helper()
	documented := p.table(t, section, "column")
	var names []string
	for _, cell := range change.New {
		names = append(names, cell.Name)
	}
	if got := documented.first(); !slices.Equal(got, names) {
		t.Errorf("%s: documented are %v, in the message are %v", section, got, names)
	}
	db := stack.DB(t, config)
	for _, row := range documented.rows {
		var kind, nullable string
		err := db.QueryRowContext(t.Context(), `
			SELECT column_type, is_nullable FROM information_schema.columns
			WHERE table_schema = ? AND table_name = ? AND column_name = ?`,
			config.TiDBDatabase, change.Table, code(row[0])).Scan(&kind, &nullable)
		if err != nil {
			t.Fatalf("%s: column %s: %v", section, row[0], err)
		}
		// TiDB still shows a width that means nothing.
		want := "`" + strings.Replace(kind, "bigint(20)", "bigint", 1) + "`"
		if nullable == "YES" {
			want += ", null"
		}
		if row[1] != want {
			t.Errorf("%s: column %s is documented as %s, it is %s", section, row[0], row[1], want)
		}
	}
}

// checkPartitions looks that each aggregate's events are in one partition.
func checkPartitions(t *testing.T, config service.Config) {
	t.Helper()
	partitions := map[string]int32{}
	for _, record := range readTopic(t, config, config.EventsTopic) {
		message, err := canaljson.Decode(record.Value)
		if err != nil {
			t.Fatal(err)
		}
		change, ok := message.(*canaljson.Change)
		if !ok {
			continue
		}
		id := newEvent(t, change).row["aggregateid"]
		if before, ok := partitions[id]; ok && before != record.Partition {
			t.Errorf("aggregate %s is in partitions %d and %d", id, before, record.Partition)
		}
		partitions[id] = record.Partition
	}
}

func TestTheExampleEventsAreWhatTheirMessagesSay(t *testing.T) {
	p := read(t, eventsPage)
	messages, shown := p.all("json message"), p.all("json event")
	if len(messages) != len(shown) {
		t.Fatalf("%d messages and %d events", len(messages), len(shown))
	}
	for i, text := range messages {
		e := newEvent(t, decode(t, text))
		want := map[string]any{}
		for name, text := range e.row {
			want[name] = text
		}
		want["payload"], want["metadata"] = e.payload, e.metadata
		var got map[string]any
		if err := json.Unmarshal([]byte(shown[i]), &got); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("example %d shows\n%v\nits message says\n%v", i, got, want)
		}
	}
}

// TestEveryEventTypeHasAnExample accepts a whole event, or its payload alone.
func TestEveryEventTypeHasAnExample(t *testing.T) {
	p := read(t, eventsPage)
	examples := map[string]bool{}
	for _, block := range p.blocks {
		switch block.info {
		case "json event":
			examples[block.section] = true
		case "json payload":
			examples[block.section] = true
			var payload map[string]any
			if err := json.Unmarshal([]byte(block.text), &payload); err != nil {
				t.Errorf("%s: %v", block.section, err)
			}
			for _, row := range payloadTables(p)[block.section].rows {
				value, there := payload[code(row[0])]
				if there && jsonType(value) != row[1] || !there && row[3] == "always" {
					t.Errorf("%s: the example's %s is %v", block.section, row[0], value)
				}
				delete(payload, code(row[0]))
			}
			if len(payload) > 0 {
				t.Errorf("%s: the example's members %v are not documented", block.section, payload)
			}
		}
	}
	for _, kind := range constants(t, "EventType") {
		if !examples[kind] {
			t.Errorf("%s has no example", kind)
		}
	}
}

func TestTheOtherExamplesAreMessages(t *testing.T) {
	p := read(t, eventsPage)
	change := decode(t, p.all("json change")[0])
	login := slices.IndexFunc(p.all("json message"), func(text string) bool { return strings.Contains(text, `"LOGIN_SUCCESS"`) })
	if event := decode(t, p.all("json message")[login]); event.CommitTs != change.CommitTs {
		t.Errorf("the change is of %d, the login of %d", change.CommitTs, event.CommitTs)
	}
	message, err := canaljson.Decode([]byte(p.all("json watermark")[0]))
	if _, ok := message.(*canaljson.Watermark); !ok {
		t.Errorf("got %T, %v", message, err)
	}
}

func decode(t *testing.T, text string) *canaljson.Change {
	t.Helper()
	message, err := canaljson.Decode([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	change, ok := message.(*canaljson.Change)
	if !ok {
		t.Fatalf("a %T is no change", message)
	}
	return change
}
