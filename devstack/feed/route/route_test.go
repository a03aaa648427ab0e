package route

import (
	"errors"
	"slices"
	"testing"

	"helfy/devstack/feed/changefeed"
	"helfy/devstack/feed/row"
)

func definition(t *testing.T, config string) *changefeed.Definition {
	t.Helper()
	d, err := changefeed.Parse(changefeed.Request{
		ID: "test", SinkURI: "kafka://localhost:9092/standard?protocol=canal-json", Config: []byte(config),
	})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// users has the key (id) and the unique index name.
func users() *row.Table {
	return &row.Table{
		Schema: "db", Name: "users", Eligible: true,
		Columns: []row.Column{
			{Name: "id", Primary: true, Handle: true},
			{Name: "name", Unique: true},
			{Name: "v"},
		},
		Indexes: map[string]row.Index{"name": {Unique: true, Offsets: []int{1}}, "v": {Offsets: []int{2}}},
	}
}

func values(texts ...string) []row.Value {
	var list []row.Value
	for _, text := range texts {
		list = append(list, row.Value{Raw: text, Null: text == "null"})
	}
	return list
}

func TestFilter(t *testing.T) {
	f, err := NewFilter(definition(t, `{"filter": {"rules": ["db.*", "!db.secret*"], "ignore_txn_start_ts": [7], "event_filters": [
		{"matcher": ["db.users"], "ignore_event": ["delete", "truncate table"]},
		{"matcher": ["db.log"], "ignore_event": ["all dml"]}]}}`).Config)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{"users": true, "USERS": true, "secrets": false} {
		table := users()
		table.Name = name
		if got := f.Feeds(table); got != want {
			t.Errorf("feeds %s: %t", name, got)
		}
	}
	ineligible := users()
	ineligible.Eligible = false
	if f.Feeds(ineligible) || !f.Selects(ineligible) {
		t.Error("a table without a key is fed")
	}
	log := users()
	log.Name = "log"
	a, b := values("1", "a", "x"), values("1", "a", "y")
	for _, c := range []struct {
		name  string
		event row.Event
		want  bool
	}{
		{"insert", row.Event{Table: users(), New: a}, true},
		{"update", row.Event{Table: users(), Old: a, New: b}, true},
		{"delete", row.Event{Table: users(), Old: a}, false},
		{"transaction", row.Event{Table: users(), StartTs: 7, New: a}, false},
		{"all dml", row.Event{Table: log, New: a}, false},
	} {
		if got := f.Keeps(&c.event); got != c.want {
			t.Errorf("%s: %t", c.name, got)
		}
	}
}

func TestRulesAreChecked(t *testing.T) {
	for config, code := range map[string]string{
		`{"filter": {"rules": ["a.b.c"]}}`:                                                  changefeed.ErrFilterRule,
		`{"filter": {"event_filters": [{"matcher": ["*.*"], "ignore_event": ["DELETE"]}]}}`: changefeed.ErrIgnoreEvent,
		`{"sink": {"dispatchers": [{"matcher": ["db.*"], "partition": "colunms"}]}}`:        changefeed.ErrDispatcher,
		`{"sink": {"dispatchers": [{"matcher": ["db.*"], "partition": "columns"}]}}`:        changefeed.ErrDispatcher,
		`{"sink": {"dispatchers": [{"matcher": ["db.*"], "topic": "{table}_{schema}"}]}}`:   changefeed.ErrTopicExpression,
		`{"sink": {"dispatchers": [{"matcher": ["["], "partition": "table"}]}}`:             changefeed.ErrFilterRule,
		`{"sink": {"column_selectors": [{"matcher": ["db.*"], "columns": ["["]}]}}`:         changefeed.ErrFilterRule,
	} {
		d := definition(t, config)
		_, err1 := NewFilter(d.Config)
		_, err2 := NewRouter(d)
		_, err3 := NewEncoder(d.Config)
		var coded *changefeed.Error
		if err := errors.Join(err1, err2, err3); !errors.As(err, &coded) || coded.Code != code {
			t.Errorf("%s: %v, want %s", config, err, code)
		}
	}
}

// The hashes are those of TiCDC: CRC-32 of schema and table, and of name and
// value of each column, combined by XOR.
func TestPartitions(t *testing.T) {
	e := &row.Event{Table: users(), CommitTs: 1<<40 + 5, New: values("42", "bob", "x")}
	deleted := &row.Event{Table: users(), Old: e.New}
	for _, c := range []struct {
		dispatcher string
		want       uint64
	}{
		{`"partition": "default"`, 0x75084b2d},
		{`"partition": "table"`, 0x75084b2d},
		{`"partition": "ts"`, 1<<40 + 5},
		{`"partition": "index-value"`, 0x75084b2d ^ 0x5b49a61e},
		{`"partition": "index-value", "index": "name"`, 0x75084b2d ^ 0xe29de8a6},
		{`"partition": "columns", "columns": ["name", "id"]`, 0x75084b2d ^ 0xe29de8a6 ^ 0x5b49a61e},
	} {
		r, err := NewRouter(definition(t, `{"sink": {"dispatchers": [{"matcher": ["db.users"], `+c.dispatcher+`}]}}`))
		if err != nil {
			t.Fatal(err)
		}
		got, err := r.Hash(e)
		if err != nil || got != c.want {
			t.Errorf("%s: %#x %v, want %#x", c.dispatcher, got, err, c.want)
		}
		if c.want != e.CommitTs {
			if old, err := r.Hash(deleted); err != nil || old != got {
				t.Errorf("%s: the delete has %#x %v", c.dispatcher, old, err)
			}
		}
	}
}

func TestTableThatLacksWhatItsDispatcherAsksFor(t *testing.T) {
	for dispatcher, good := range map[string]bool{
		`"partition": "columns", "columns": ["name"]`:    true,
		`"partition": "columns", "columns": ["nobody"]`:  false,
		`"partition": "index-value", "index": "name"`:    true,
		`"partition": "index-value", "index": "v"`:       false,
		`"partition": "index-value", "index": "missing"`: false,
	} {
		r, err := NewRouter(definition(t, `{"sink": {"dispatchers": [{"matcher": ["*.*"], `+dispatcher+`}]}}`))
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Check(users()); (err == nil) != good {
			t.Errorf("%s: %v", dispatcher, err)
		}
	}
}

func TestTopics(t *testing.T) {
	r, err := NewRouter(definition(t, `{"sink": {"dispatchers": [
		{"matcher": ["db.users"], "topic": "fixed"},
		{"matcher": ["db.*"], "topic": "cdc_{schema}_{table}"}]}}`))
	if err != nil {
		t.Fatal(err)
	}
	odd, other := users(), users()
	odd.Name, other.Schema = "odd name", "elsewhere"
	for table, want := range map[*row.Table]string{users(): "fixed", odd: "cdc_db_odd_name", other: "standard"} {
		if got := r.Topic(table); got != want {
			t.Errorf("%s.%s goes to %s, want %s", table.Schema, table.Name, got, want)
		}
	}
	if got := r.Topics([]*row.Table{odd}); !slices.Equal(got, []string{"cdc_db_odd_name", "fixed", "standard"}) {
		t.Errorf("topics %v", got)
	}
}

func TestSplitFreesKeysBeforeTheyAreTaken(t *testing.T) {
	table := users()
	events := []*row.Event{
		{Table: table, New: values("9", "new", "1")},
		{Table: table, Old: values("1", "a", "1"), New: values("1", "b", "1")},
		{Table: table, Old: values("3", "c", "1"), New: values("3", "c", "2")},
		{Table: table, Old: values("2", "b", "1"), New: values("2", "a", "1")},
	}
	var got []string
	for _, e := range Split(events) {
		got = append(got, []string{"delete ", "update ", "insert "}[order(e)]+e.Row()[0].Raw)
	}
	want := []string{"delete 1", "delete 2", "update 3", "insert 9", "insert 1", "insert 2"}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	plain := events[2:3]
	if split := Split(plain); len(split) != 1 || split[0] != plain[0] {
		t.Errorf("an update of no key was split: %v", split)
	}
}

func TestSelectorKeepsAKey(t *testing.T) {
	for columns, good := range map[string]bool{
		`["*"]`: true, `["*", "!V"]`: true, `["*", "!id"]`: true, `["id"]`: true,
		`["v"]`: false, `["*", "!id", "!name"]`: false,
	} {
		enc, err := NewEncoder(definition(t, `{"sink": {"column_selectors": [{"matcher": ["db.users"], "columns": `+columns+`}]}}`).Config)
		if err != nil {
			t.Fatal(err)
		}
		if err := enc.Check(users()); (err == nil) != good {
			t.Errorf("%s: %v", columns, err)
		}
	}
}
