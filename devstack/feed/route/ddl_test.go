package route

import (
	"errors"
	"testing"

	"helfy/devstack/feed/changefeed"
	"helfy/devstack/feed/row"
)

func ddl(kind, table string) row.DDL {
	return row.DDL{Schema: "db", Table: table, Kind: kind, Eligible: true}
}

func TestFilterOfSchemaChanges(t *testing.T) {
	f, err := NewFilter(definition(t, `{"filter": {"rules": ["db.*", "!db.secret*"], "ignore_txn_start_ts": [7], "event_filters": [
		{"matcher": ["db.outbox"], "ignore_event": ["delete", "truncate table"]},
		{"matcher": ["db.silent"], "ignore_event": ["all ddl"]},
		{"matcher": ["db.fixed"], "ignore_event": ["alter table"]},
		{"matcher": ["quiet.*"], "ignore_event": ["drop schema"]}]}}`).Config)
	if err != nil {
		t.Fatal(err)
	}
	altering := ddl("add column", "fixed")
	altering.AlterTable = true
	other := ddl("drop table", "t")
	other.Schema = "elsewhere"
	keyless := ddl("create table", "t")
	keyless.Eligible = false
	ignored := ddl("create table", "t")
	ignored.StartTs = 7
	left := ddl("rename table", "secrets")
	left.OldSchema, left.OldTable = "db", "t"
	never := ddl("rename table", "secrets")
	never.OldSchema, never.OldTable = "elsewhere", "t"
	for name, c := range map[string]struct {
		ddl  row.DDL
		want bool
	}{
		"table":                     {ddl("truncate table", "USERS"), true},
		"table that is not fed":     {ddl("truncate table", "secrets"), false},
		"table of another database": {other, false},
		// TiCDC takes a rule for any of its tables as one for the database.
		"database":                  {ddl("create database", ""), false},
		"another database":          {row.DDL{Schema: "elsewhere", Kind: "create database", Eligible: true}, false},
		"ignored kind":              {ddl("truncate table", "outbox"), false},
		"kind that is not ignored":  {ddl("drop table", "outbox"), true},
		"all ddl":                   {ddl("rename index", "silent"), false},
		"alter table":               {altering, false},
		"not alter table":           {ddl("drop table", "fixed"), true},
		"table without a key":       {keyless, false},
		"transaction":               {ignored, false},
		"renamed out of the filter": {left, true},
		"renamed outside of it":     {never, false},
	} {
		if got, err := f.KeepsDDL(&c.ddl); got != c.want || err != nil {
			t.Errorf("%s: %t, %v", name, got, err)
		}
	}
	entered := ddl("rename table", "users")
	entered.OldSchema, entered.OldTable = "db", "secrets"
	var coded *changefeed.Error
	if _, err := f.KeepsDDL(&entered); !errors.As(err, &coded) || coded.Code != changefeed.ErrRenameTable {
		t.Errorf("renamed into the filter: %v", err)
	}
}

func TestSecondNamesOfDatabaseKinds(t *testing.T) {
	for kind, name := range map[string]string{"create database": "create schema", "drop database": "drop schema"} {
		f, err := NewFilter(definition(t, `{"filter": {"event_filters": [{"matcher": ["db.*"], "ignore_event": ["`+name+`"]}]}}`).Config)
		if err != nil {
			t.Fatal(err)
		}
		d := ddl(kind, "")
		if got, err := f.KeepsDDL(&d); got || err != nil {
			t.Errorf("%s ignored by %s: kept %t, %v", kind, name, got, err)
		}
	}
}

func TestTopicsOfSchemaChanges(t *testing.T) {
	r, err := NewRouter(definition(t, `{"sink": {"dispatchers": [
		{"matcher": ["db.outbox"], "topic": "events"}, {"matcher": ["db.*"], "topic": "db-{table}"}]}}`))
	if err != nil {
		t.Fatal(err)
	}
	renamed := ddl("rename table", "events_of_old")
	renamed.OldSchema, renamed.OldTable = "db", "outbox"
	for want, d := range map[string]row.DDL{
		"standard": ddl("drop database", ""), "events": renamed, "db-users": ddl("truncate table", "users"),
	} {
		if got := r.DDLTopic(&d); got != want {
			t.Errorf("%s of %s: %s, want %s", d.Kind, d.Table, got, want)
		}
	}
}
