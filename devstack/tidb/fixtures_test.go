package tidb_test

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// scenario is the SQL behind one folder of fixtures: messages that TiCDC
// itself wrote. The same SQL must give the same bytes.
type scenario struct {
	dir   string
	steps []step
}

// step is one transaction and the fixtures that it must reproduce, with the
// default split of key updates and without it; "" is a message without one.
type step struct {
	sql   string
	split []string
	raw   []string
}

func same(sql string, fixtures ...string) step { return step{sql: sql, split: fixtures, raw: fixtures} }

const (
	fixtures  = "../../canaljson/testdata/"
	tokenHash = "x'00017f8090a0c2ff22275c0a0d3c3e26e282ac414243444546474849fffefdfc'"
)

func scenarios() []scenario {
	rename := func(from, to, day string, split, raw []string) step {
		sql := fmt.Sprintf("UPDATE db.users SET username = '%s', updated_at = '%s' WHERE username = '%s'", to, day, from)
		return step{sql: sql, split: split, raw: raw}
	}
	split := []string{"users.update_unique_key_username_split_1_delete", "users.update_unique_key_username_split_2_insert"}
	unsplit := []string{"users.update_unique_key_username_unsplit"}
	return []scenario{
		{dir: fixtures + "ticdc-newarch-v8.5.5", steps: slices.Concat(
			users("4035225266123964417", "6917529027641081858"),
			[]step{
				rename("bob", "carol", "2026-01-04", split, []string{""}),
				rename("carol", "dora", "2026-01-05", []string{"", ""}, unsplit),
			}, others())},
		{dir: fixtures + "tiflow-v8.5.5", steps: slices.Concat(
			users("8358680908399640577", "8935141660703064066"),
			[]step{rename("bob", "carol", "2026-01-04", split, unsplit)}, others())},
	}
}

func users(alice, bob string) []step {
	return []step{
		same(`INSERT INTO db.users VALUES (`+alice+`, 'alice <a&b> "q" 你好', '$2a$10$abcdefghijklmnopqrstuv', `+tokenHash+`,
			'2026-01-02 03:04:05.678901', '2026-01-01', '2026-01-01')`, "users.insert"),
		same(`INSERT INTO db.users VALUES (`+bob+`, 'bob', '$2a$10$bob', NULL, NULL, '2026-01-01', '2026-01-01')`, "users.insert_nulls"),
		same(`UPDATE db.users SET password_hash = '$2a$10$newhash', token_hash = NULL, token_expires_at = NULL, updated_at = '2026-01-03'
			WHERE id = `+alice, "users.update_password_and_token"),
	}
}

func others() []step {
	return []step{
		same(`DELETE FROM db.users WHERE password_hash = '$2a$10$bob'`, "users.delete"),
		same(`INSERT INTO db.outbox VALUES ('0190b8d2-7c1e-7a3b-9f00-0123456789ab', 'user-42', 'user.created',
			'{"user_id": 42, "name": "O\'Reilly <b>&", "big": 9007199254740993, "f": 1.50, "nested": {"z": 1, "a": [1, 2, null, true]}, "emoji": "\\u20ac 你好"}',
			'{"trace_id": "abc"}', '2026-01-02 03:04:05.678901')`, "outbox.insert"),
		same(`UPDATE db.outbox SET event_type = 'user.renamed'`, "outbox.update"),
		same(`INSERT INTO db.outbox VALUES ('0190b8d2-7c1e-7a3b-9f00-0123456789ac', 'user-43', 'user.deleted', '{}', NULL, '2026-01-02 03:04:05')`, ""),
		same(`DELETE FROM db.outbox WHERE aggregate_id = 'user-43'`, "outbox.delete"),
		same(`INSERT INTO db.all_types VALUES (1, -128, 255, TRUE, 1, -32768, 65535, -8388608, 16777215, -2147483648, 4294967295, 42,
			-9223372036854775808, 18446744073709551615, 3.14, 1e20, 12345.6789, 1.5, 'ch', 'vc ü', x'01ff', x'8090ff0a22',
			'tinytext', 'text', 'mediumtext', 'longtext', x'010203', x'80', x'c3a9', x'ff00', '2026-01-02', '2026-01-02 03:04:05',
			'2026-01-02 03:04:05.678', '2026-01-02 03:04:05.678901', '2026-01-02 03:04:05', '2026-01-02 03:04:05.678901',
			'-12:30:45', '01:02:03.000004', 2026, 'b', 'a,c', b'1', b'1010101010', '{"k": [1, 2.50, "x"]}')`, "all_types.insert_max"),
		same(`INSERT INTO db.users_int VALUES (7, 'dave', 'h', `+tokenHash+`, '2026-01-02 03:04:05', '2026-01-01', '2026-01-01')`, "users_int.insert"),
	}
}

// variant is a changefeed's settings and how its fixtures are called.
type variant struct {
	params string
	suffix string
	prefix string
	raw    bool
	delete bool // delete_only_output_handle_key_columns
}

func (v variant) config() map[string]any {
	sink := map[string]any{
		"kafka_config":                          map[string]any{"output_raw_change_event": v.raw},
		"delete_only_output_handle_key_columns": v.delete,
	}
	rules := []string{"db.users", "db.outbox", "db.all_types", "db.users_int"}
	if v.prefix == "colsel." {
		rules = []string{"db.users"}
		sink["column_selectors"] = []any{map[string]any{
			"matcher": []string{"db.users"}, "columns": []string{"*", "!password_hash", "!token_hash", "!token_expires_at"},
		}}
	}
	return map[string]any{"filter": map[string]any{"rules": rules}, "sink": sink}
}

// fixture returns the name for one message of the variant.
func (v variant) fixture(name string) string {
	if v.delete {
		if name != "users.delete" {
			return ""
		}
		name = "users.delete_only_handle_key"
	}
	return v.prefix + name + v.suffix
}

func variants() []variant {
	var list []variant
	for _, base := range []variant{
		{params: "", suffix: ".noext.json"},
		{params: "enable-tidb-extension=true", suffix: ".ext.json"},
		{params: "content-compatible=true", suffix: ".noext.compat.json"},
		{params: "enable-tidb-extension=true&content-compatible=true", suffix: ".ext.compat.json"},
	} {
		split, raw, columns := base, base, base
		raw.raw = true
		columns.prefix, columns.raw = "colsel.", true
		list = append(list, split, raw, columns)
	}
	return append(list, variant{params: "enable-tidb-extension=true", suffix: ".ext.json", delete: true})
}

// notReproduced lists the fixtures of settings that are refused, and those that
// are not of rows.
var notReproduced = regexp.MustCompile(`^(ddl|watermark|outbox\.insert_large|colsel\.users\.insert_pk)`)

func TestSameSQLGivesTheBytesOfTiCDC(t *testing.T) {
	for _, s := range scenarios() {
		t.Run(filepath.Base(s.dir), func(t *testing.T) { s.run(t) })
	}
}

func (s scenario) run(t *testing.T) {
	list := variants()
	topics := make([]string, len(list))
	for i := range list {
		topics[i] = "fixtures-" + string(rune('a'+i))
	}
	kafka := newKafka(t, 1, topics...)
	db := open(t, sqlPort)
	newDatabase(t, db, "db")
	for _, table := range []string{"users", "outbox", "all_types", "users_int"} {
		s.createTable(t, db, table)
	}
	for i, v := range list {
		api.create(t, map[string]any{"changefeed_id": topics[i], "sink_uri": sinkURI(kafka, topics[i], v.params), "replica_config": v.config()})
		defer api.remove(t, topics[i])
	}
	s.execute(t)

	want, seen := s.fixtures(t), map[string]bool{}
	for i, v := range list {
		names := v.messages(s.steps)
		for j, r := range consume(t, kafka, topics[i]).changes(t, len(names)) {
			fixture, ok := want[names[j]]
			if w, g := normalise(t, fixture), normalise(t, r.Value); ok && w != g {
				t.Errorf("%s:\nwant %q\n got %q", names[j], w, g)
			}
			seen[names[j]] = true
		}
	}
	for name := range want {
		if !seen[name] {
			t.Errorf("%s was not reproduced", name)
		}
	}
}

// createTable executes the DDL of a fixture.
func (s scenario) createTable(t *testing.T, db *sql.DB, table string) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(s.dir, "ddl.create_table."+table+".ext.json"))
	if err != nil {
		t.Fatal(err)
	}
	var ddl struct{ SQL string }
	if err := json.Unmarshal(data, &ddl); err != nil {
		t.Fatal(err)
	}
	mustExec(t, db, ddl.SQL)
}

// execute needs a connection of its own for its setting.
func (s scenario) execute(t *testing.T) {
	t.Helper()
	conn, err := open(t, sqlPort).Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	mustExec(t, conn, "SET allow_auto_random_explicit_insert = 1")
	for _, step := range s.steps {
		mustExec(t, conn, step.sql)
	}
}

// fixtures reads what is to be reproduced, by file name.
func (s scenario) fixtures(t *testing.T) map[string][]byte {
	t.Helper()
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][]byte{}
	for _, e := range entries {
		if notReproduced.MatchString(e.Name()) {
			continue
		}
		if all[e.Name()], err = os.ReadFile(filepath.Join(s.dir, e.Name())); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// messages lists the fixtures of what the variant sends, "" for none.
func (v variant) messages(steps []step) []string {
	var names []string
	for _, s := range steps {
		if v.prefix == "colsel." && !strings.Contains(s.sql, "db.users ") {
			continue
		}
		expected := s.split
		if v.raw {
			expected = s.raw
		}
		for _, name := range expected {
			if name != "" {
				name = v.fixture(name)
			}
			names = append(names, name)
		}
	}
	return names
}

var (
	moments    = regexp.MustCompile(`"(es|ts|commitTs)":\d+`)
	mysqlTypes = regexp.MustCompile(`"mysqlType":(\{[^}]*\})`)
)

// normalise sets the times to 0 and sorts mysqlType, which TiCDC writes in
// random order.
func normalise(t *testing.T, value []byte) string {
	t.Helper()
	// "ts" is a column of all_types as well, but as a string.
	text := moments.ReplaceAllString(string(value), `"$1":0`)
	return mysqlTypes.ReplaceAllStringFunc(text, func(member string) string {
		var types map[string]string
		if err := json.Unmarshal([]byte(strings.TrimPrefix(member, `"mysqlType":`)), &types); err != nil {
			t.Fatal(err)
		}
		sorted, err := json.Marshal(types)
		if err != nil {
			t.Fatal(err)
		}
		return `"mysqlType":` + string(sorted)
	})
}
