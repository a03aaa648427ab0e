package projection

import (
	"strings"
	"testing"

	"helfy/canaljson"
	"helfy/domain"
)

// row makes a row of name=value cells; a cell without = is NULL.
func row(cells ...string) canaljson.Row {
	var r canaljson.Row
	for _, cell := range cells {
		name, text, found := strings.Cut(cell, "=")
		r = append(r, canaljson.Cell{Name: name, Text: text, Null: !found})
	}
	return r
}

func usersInsert() *canaljson.Change {
	return &canaljson.Change{
		Database: "helfy", Table: "users", PrimaryKey: []string{"id"}, Operation: canaljson.Insert, CommitTs: 42,
		New: row("id=1", "username=admin", "event_seq=3", "token_hash"),
	}
}

func outboxInsert() *canaljson.Change {
	return &canaljson.Change{
		Database: "helfy", Table: "outbox", PrimaryKey: []string{"id"}, Operation: canaljson.Insert, CommitTs: 42,
		New: row("id=e1", "aggregatetype=user", "aggregateid=1", "type=LOGIN_SUCCESS", "seq=3",
			`payload={"username":"admin"}`, `metadata={"ip":"192.0.2.1"}`),
	}
}

func project(t *testing.T, message canaljson.Message) []domain.AuditEntry {
	t.Helper()
	entries, err := Audit{Database: "helfy"}.Project(Record{Topic: "t", Partition: 2, Offset: 9}, message)
	if err != nil {
		t.Fatal(err)
	}
	return entries
}

func TestAChangeOfAUserIsAnEntry(t *testing.T) {
	entry := project(t, usersInsert())[0]
	if entry.ID() != "users/1@42" || entry.Source != domain.SourceChange || entry.Operation() != "INSERT" ||
		entry.UserID != 1 || entry.Username != "admin" || entry.Seq != 3 {
		t.Errorf("entry is %+v", entry)
	}
	if want := `{"id":"1","username":"admin","event_seq":"3","token_hash":null}`; string(entry.New) != want || entry.Old != nil {
		t.Errorf("rows are %s and %s", entry.Old, entry.New)
	}
	if entry.Topic != "t" || entry.Partition != 2 || entry.Offset != 9 {
		t.Errorf("coordinates are %s[%d]@%d", entry.Topic, entry.Partition, entry.Offset)
	}
}

func TestAnOutboxRowIsAnEvent(t *testing.T) {
	entry := project(t, outboxInsert())[0]
	if entry.ID() != "e1" || entry.Source != domain.SourceEvent || entry.EventType != domain.LoginSuccess ||
		entry.UserID != 1 || entry.Username != "admin" || entry.IP != "192.0.2.1" || entry.Seq != 3 {
		t.Errorf("entry is %+v", entry)
	}
}

func TestAnEventOfNobodyHasNoUser(t *testing.T) {
	change := outboxInsert()
	change.New[1].Text = domain.AggregateUnknown
	if entry := project(t, change)[0]; entry.UserID != 0 {
		t.Errorf("entry is %+v", entry)
	}
}

func TestASchemaChangeIsAnEntry(t *testing.T) {
	entry := project(t, &canaljson.DDL{Database: "helfy", Table: "users", Type: "TRUNCATE", Query: "TRUNCATE TABLE users", CommitTs: 42})[0]
	if entry.ID() != "users/@42" || entry.Source != domain.SourceChange || entry.Operation() != "TRUNCATE" ||
		string(entry.New) != `{"query":"TRUNCATE TABLE users"}` {
		t.Errorf("entry is %+v", entry)
	}
}

func TestWhatIsNoEntry(t *testing.T) {
	pruned := outboxInsert()
	pruned.Operation, pruned.Old, pruned.New = canaljson.Delete, pruned.New, nil
	for name, message := range map[string]canaljson.Message{
		"watermark":         &canaljson.Watermark{Ts: 1},
		"pruned outbox row": pruned,
	} {
		if entries := project(t, message); len(entries) != 0 {
			t.Errorf("%s: %+v", name, entries)
		}
	}
}

func TestWhatCannotBeUnderstood(t *testing.T) {
	bend := func(change *canaljson.Change, how func(*canaljson.Change)) *canaljson.Change {
		how(change)
		return change
	}
	for want, message := range map[string]canaljson.Message{
		"commitTs":     bend(usersInsert(), func(c *canaljson.Change) { c.CommitTs = 0 }),
		`table "x"`:    bend(usersInsert(), func(c *canaljson.Change) { c.Table = "x" }),
		`database "x"`: bend(usersInsert(), func(c *canaljson.Change) { c.Database = "x" }),
		"primary key":  bend(usersInsert(), func(c *canaljson.Change) { c.PrimaryKey = []string{"uid"} }),
		`"id"`:         bend(usersInsert(), func(c *canaljson.Change) { c.New[0].Text = "one" }),
		`"event_seq"`:  bend(usersInsert(), func(c *canaljson.Change) { c.New = c.New[:2] }),
		`"username"`:   bend(usersInsert(), func(c *canaljson.Change) { c.New[1].Null = true }),
		`"seq"`:        bend(outboxInsert(), func(c *canaljson.Change) { c.New[4].Text = "-1" }),
		`"payload"`:    bend(outboxInsert(), func(c *canaljson.Change) { c.New[5].Text = "{" }),
		`"metadata"`:   bend(outboxInsert(), func(c *canaljson.Change) { c.New[6].Text = "[]" }),
		"longer than":  bend(usersInsert(), func(c *canaljson.Change) { c.New[0].Text = strings.Repeat("1", 256) }),
	} {
		entries, err := Audit{Database: "helfy"}.Project(Record{}, message)
		if err == nil || !strings.Contains(err.Error(), want) || len(entries) != 0 {
			t.Errorf("want an error that names %s, got %v, %v", want, entries, err)
		}
	}
}
