package canaljson_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"helfy/canaljson"
)

const classic = "testdata/tiflow-v8.5.5/"

// token is what token_hash holds in the fixtures wherever it is set.
const token = "00017f8090a0c2ff22275c0a0d3c3e26e282ac414243444546474849fffefdfc"

func change(t *testing.T, path string) *canaljson.Change {
	t.Helper()
	c, ok := decode(t, read(t, path)).(*canaljson.Change)
	if !ok {
		t.Fatalf("%s is no change", path)
	}
	return c
}

func text(t *testing.T, row canaljson.Row, column string) string {
	t.Helper()
	cell, ok := row.Get(column)
	if !ok || cell.Null {
		t.Fatalf("no text in column %q of %v", column, row)
	}
	return cell.Text
}

func TestDecodeInsert(t *testing.T) {
	got := change(t, "testdata/ticdc-newarch-v8.5.5/users.insert_nulls.ext.compat.json")
	want := &canaljson.Change{
		Database: "db", Table: "users", PrimaryKey: []string{"id"}, Operation: canaljson.Insert,
		Columns: []canaljson.Column{
			{Name: "id", SQLType: -5, MySQLType: "bigint(20)"}, {Name: "username", SQLType: 12, MySQLType: "varchar(255)"},
			{Name: "password_hash", SQLType: 12, MySQLType: "varchar(255)"}, {Name: "token_hash", SQLType: 2004, MySQLType: "binary(32)"},
			{Name: "token_expires_at", SQLType: 93, MySQLType: "datetime(6)"},
			{Name: "created_at", SQLType: 93, MySQLType: "timestamp"}, {Name: "updated_at", SQLType: 93, MySQLType: "timestamp"},
		},
		New: canaljson.Row{
			{Name: "id", Text: "6917529027641081858"}, {Name: "username", Text: "bob"}, {Name: "password_hash", Text: "$2a$10$bob"},
			{Name: "token_hash", Null: true}, {Name: "token_expires_at", Null: true},
			{Name: "created_at", Text: "2026-01-01 00:00:00"}, {Name: "updated_at", Text: "2026-01-01 00:00:00"},
		},
		CommitTs: 470643004420915200, CommitMillis: 1795360582050, EncodedMillis: 1795360582050,
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf(" got %+v\nwant %+v", got, want)
	}
}

func TestDecodeUpdateHasTheOldAndTheNewRow(t *testing.T) {
	c := change(t, classic+"users.update_password_and_token.ext.json")
	if c.Operation != canaljson.Update || len(c.Old) != len(c.Columns) || len(c.New) != len(c.Columns) {
		t.Fatalf("%s with %d old and %d new cells of %d columns", c.Operation, len(c.Old), len(c.New), len(c.Columns))
	}
	if was, is := text(t, c.Old, "password_hash"), text(t, c.New, "password_hash"); was == is {
		t.Errorf("password_hash did not change from %q", was)
	}
}

func TestDecodeUpdateInContentCompatibleModeHasOnlyChangedOldCells(t *testing.T) {
	c := change(t, classic+"users.update_password_and_token.ext.compat.json")
	var names []string
	for _, cell := range c.Old {
		names = append(names, cell.Name)
	}
	if want := []string{"password_hash", "token_hash", "token_expires_at", "updated_at"}; !reflect.DeepEqual(names, want) {
		t.Errorf("old cells %v, want %v", names, want)
	}
}

func TestDecodeDeleteHasItsRowInOld(t *testing.T) {
	c := change(t, classic+"users.delete.noext.json")
	if c.New != nil || c.CommitTs != 0 || text(t, c.Old, "username") != "carol" {
		t.Errorf("got %+v", c)
	}
}

func TestDecodeKeepsBinaryCellsByteForByte(t *testing.T) {
	c := change(t, classic+"users.insert.ext.json")
	cell := text(t, c.New, "token_hash")
	got, err := canaljson.BytesOfText(cell)
	if err != nil || hex.EncodeToString(got) != token {
		t.Errorf("token_hash is %x (error %v), want %s", got, err, token)
	}
	if canaljson.TextOfBytes(got) != cell {
		t.Error("TextOfBytes is not the inverse of BytesOfText")
	}
}

func TestBytesOfTextRefusesWhatIsNoBinaryCell(t *testing.T) {
	for _, text := range []string{"€", "a\u0100", "\xff"} {
		if got, err := canaljson.BytesOfText(text); err == nil {
			t.Errorf("BytesOfText(%q) = %x", text, got)
		}
	}
}

func TestKeyIsThePrimaryKeyOfTheRow(t *testing.T) {
	for path, want := range map[string]canaljson.Row{
		classic + "users.insert.ext.json":                                              {{Name: "id", Text: "8358680908399640577"}},
		classic + "users.delete.noext.json":                                            {{Name: "id", Text: "8935141660703064066"}},
		classic + "outbox.update.ext.json":                                             {{Name: "id", Text: "0190b8d2-7c1e-7a3b-9f00-0123456789ab"}},
		"testdata/ticdc-newarch-v8.5.5/colsel.users.insert_pk_and_uk_dropped.ext.json": {},
	} {
		c := change(t, path)
		if got := c.Key(); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: key %v, want %v", path, got, want)
		}
	}
}

func TestDecodeDDL(t *testing.T) {
	got := decode(t, read(t, classic+"ddl.rename_table.ext.json"))
	want := &canaljson.DDL{
		Database: "db", Table: "users_int2", Type: "RENAME", Query: "RENAME TABLE db.users_int TO db.users_int2",
		CommitTs: 470642837925396482, CommitMillis: 1795359946920, EncodedMillis: 1795359946923,
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf(" got %+v\nwant %+v", got, want)
	}
}

func TestDecodeWatermark(t *testing.T) {
	got := decode(t, read(t, classic+"watermark.ext.json"))
	want := &canaljson.Watermark{Ts: 463293132308480000, CommitMillis: 1767323045000, EncodedMillis: 1795359946939}
	if !reflect.DeepEqual(got, want) {
		t.Errorf(" got %+v\nwant %+v", got, want)
	}
}

func TestDecodeNamesTheMemberThatMakesAMessageUnsupported(t *testing.T) {
	handleKey := read(t, classic+"outbox.insert_large_handle_key_only.ext.json")
	claimCheck := bytes.Replace(handleKey, []byte(`"onlyHandleKey":true`), []byte(`"claimCheckLocation":"file:///x.json"`), 1)
	for member, value := range map[string][]byte{
		"_tidb.onlyHandleKey": handleKey, "_tidb.claimCheckLocation": claimCheck,
	} {
		u, ok := decode(t, value).(*canaljson.Unsupported)
		if !ok || !strings.HasPrefix(u.Reason, member) || u.Table != "outbox" || u.Type != "INSERT" || u.CommitTs != 470642837876113410 {
			t.Errorf("%s: got %+v", member, u)
		}
	}
	if u, ok := decode(t, []byte(`{"_tidb":{"claimCheckLocation":"x"}}`)).(*canaljson.Unsupported); !ok {
		t.Errorf("the location alone: got %+v", u)
	}
}

// valid is a message that the tests below spoil.
const valid = `{"id":0,"database":"d","table":"t","pkNames":["a"],"isDdl":false,"type":"UPDATE","es":1,"ts":2,"sql":"",` +
	`"sqlType":{"a":4,"b":12},"mysqlType":{"b":"varchar","a":"int"},"old":[{"a":"1","b":"x"}],"data":[{"a":"1","b":null}],"_tidb":{"commitTs":9}}`

func TestDecodeToleratesWhatOtherVersionsMayWrite(t *testing.T) {
	want := decode(t, []byte(valid))
	for what, value := range map[string]string{
		"unknown members":      strings.Replace(valid, `"id":0`, `"x":{"y":[1,-2.5e+3,true,false,null,"\u00e9",{},[]]},"x":[]`, 1),
		"unknown in _tidb":     strings.Replace(valid, `"commitTs":9`, `"rowkey":"AA==","commitTs":9,"n":{"a":[]}`, 1),
		"white space":          " \n" + strings.NewReplacer(`:`, " :\t", `,`, "\r\n, ", `{`, "{ ", `]`, " ]").Replace(valid) + "\n",
		"escaped names":        strings.Replace(valid, `"table"`, `"\u0074a\u0062le"`, 1),
		"types behind rows":    strings.Replace(strings.Replace(valid, `"sqlType":{"a":4,"b":12},`, "", 1), `"_tidb"`, `"sqlType":{"b":12,"a":4},"_tidb"`, 1),
		"rows before types":    `{"data":[{"a":"1","b":null}],` + strings.Replace(valid, `"data":[{"a":"1","b":null}],`, "", 1)[1:],
		"types of more":        strings.Replace(valid, `"sqlType":{`, `"sqlType":{"gone":1,`, 1),
		"large handle, not so": strings.Replace(valid, `"commitTs":9`, `"commitTs":9,"onlyHandleKey":false,"claimCheckLocation":""`, 1),
	} {
		got, err := canaljson.Decode([]byte(value))
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: error %v\n got %+v\nwant %+v\n  of %s", what, err, got, want, value)
		}
	}
}

func TestDecodeSaysWhatIsWrongAndWhere(t *testing.T) {
	deep := strings.Repeat("[", 40) + strings.Repeat("]", 40)
	watermark := string(read(t, classic+"watermark.ext.json"))
	ddl := string(read(t, classic+"ddl.rename_table.ext.json"))
	for _, tc := range []struct {
		name           string
		from, old, new string // in the message from, new takes the place of old
		at             string // stands last at the offset; "" is the end
		path, reason   string
	}{
		{"empty", valid, valid, "", "", "", "expected an object, found the end"},
		{"an array", valid, valid, "[]", "[]", "", "expected an object, found an array"},
		{"cut off", valid, `,"ts":2`, "\x00", "\x00", "", `expected '}'`},
		{"cut off in a string", valid, valid[len(`{"id":0,"database":"d`):], "", "", "database", "the string does not end"},
		{"trailing garbage", valid, `9}}`, `9}} {}`, "{}", "", "more text"},
		{"trailing comma", valid, `9}}`, `9},}`, "}", "", "expected a string"},
		{"invalid UTF-8", valid, `"x"`, "\"x\xff\"", "\xff", "old[0].b", "invalid UTF-8"},
		{"invalid UTF-8 in a skipped member", valid, `"id":0`, "\"q\":\"\xc0\x80\"", "\xc0", "q", "invalid UTF-8"},
		{"control character", valid, `"x"`, "\"x\n\"", "\n", "old[0].b", "control character"},
		{"bad escape", valid, `"x"`, `"\x"`, `\x`, "old[0].b", "invalid escape"},
		{"bad hex", valid, `"x"`, `"\u00g0"`, `\u00g0`, "old[0].b", "invalid escape"},
		{"lone surrogate", valid, `"x"`, `"\ud83dx"`, `\ud83d`, "old[0].b", "surrogate"},
		{"cell is a number", valid, `"b":null`, `"b":1`, "1}", "data[0].b", "expected a string or null, found a number"},
		{"cell is an object", valid, `"b":null`, `"b":{}`, "{}", "data[0].b", "found an object"},
		{"table is null", valid, `"t"`, `null`, `null,"pkNames"`, "table", "expected a string, found null"},
		{"isDdl is a string", valid, `false`, `"false"`, `"false"`, "isDdl", "expected a boolean"},
		{"es is a fraction", valid, `"es":1`, `"es":1.0`, "1.0", "es", "whole number"},
		{"es has a leading zero", valid, `"es":1`, `"es":01`, "01", "es", "leading zero"},
		{"commitTs is negative", valid, `:9}`, `:-9}`, "-9", "_tidb.commitTs", "out of range"},
		{"commitTs beyond 64 bits", valid, `:9}`, `:18446744073709551616}`, "18446744073709551616", "_tidb.commitTs", "out of range"},
		{"commitTs has an exponent", valid, `:9}`, `:9e3}`, "9e3", "_tidb.commitTs", "whole number"},
		{"SQL type beyond 32 bits", valid, `"a":4`, `"a":2147483648`, "2147483648", "sqlType.a", "out of range"},
		{"type of a type", valid, `"a":"int"`, `"a":4`, `4},"old"`, "mysqlType.a", "expected a string"},
		{"unknown type", valid, `"UPDATE"`, `"UPSERT"`, `"UPSERT"`, "type", `unknown type "UPSERT"`},
		{"no type", valid, `"type"`, `"tipe"`, "}", "type", "missing"},
		{"no table", valid, `"table"`, `"Table"`, "}", "table", "missing"},
		{"no database", valid, `"database"`, `"db"`, "}", "database", "missing"},
		{"no data", valid, `"data"`, `"date"`, "}", "data", "missing"},
		{"no old in an UPDATE", valid, `"old"`, `"odd"`, "}", "old", "missing"},
		{"old is null in an UPDATE", valid, `[{"a":"1","b":"x"}]`, `null`, `null,"data"`, "old", "must not be null"},
		{"old in an INSERT", valid, `"UPDATE"`, `"INSERT"`, `[{"a":"1","b":"x"}]`, "old", "must be null"},
		{"table is empty", valid, `"t"`, `""`, `"","pkNames"`, "table", "must not be empty"},
		{"data is null", valid, `[{"a":"1","b":null}]`, `null`, "null", "data", "must not be null"},
		{"no row", valid, `[{"a":"1","b":null}]`, `[]`, "[]", "data", "expected one row, found none"},
		{"two rows", valid, `"b":null}`, `"b":null},{}`, "{}]", "data[1]", "more than one row"},
		{"row without columns", valid, `{"a":"1","b":null}`, `{}`, "[{}]", "data", "no columns"},
		{"column without sqlType", valid, `,"b":12`, ``, `[{"a":"1","b":null}]`, "data[0].b", "not in sqlType"},
		{"column without mysqlType", valid, `"b":"varchar",`, ``, `[{"a":"1","b":null}]`, "data[0].b", "not in mysqlType"},
		{"old column not in data", valid, `,"b":null`, ``, `[{"a":"1","b":"x"}]`, "old[0].b", "not in data"},
		{"member twice", valid, `"es":1`, `"es":1,"\u0065s":1`, `"\u0065s"`, "es", "duplicate"},
		{"cell twice", valid, `"b":null`, `"b":null,"a":"1"`, `"a":"1"}],"_tidb"`, "data[0].a", "duplicate"},
		{"commitTs twice", valid, `:9`, `:9,"commitTs":9`, `"commitTs":9}}`, "_tidb.commitTs", "duplicate"},
		{"key column twice", valid, `["a"]`, `["a","a"]`, `"a"]`, "pkNames[1]", "duplicate"},
		{"odd name", valid, `"b":null`, `"b\n.c":1`, "1}", `data[0]["b\n.c"]`, "found a number"},
		{"too deep", valid, `"id":0`, `"id":` + deep, strings.Repeat("[", 8) + "]", "id" + strings.Repeat("[0]", 32), "too deep"},
		{"watermark without its TSO", watermark, `"watermarkTs"`, `"commitTs"`, "}", "_tidb.watermarkTs", "missing"},
		{"watermark with a row", watermark, `"data":null`, `"data":[{}]`, "[{}]", "data", "must be null"},
		{"DDL without a statement", ddl, `"sql"`, `"SQL"`, "}", "sql", "missing"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			value := strings.Replace(tc.from, tc.old, tc.new, 1)
			m, err := canaljson.Decode([]byte(value))
			var fault *canaljson.DecodeError
			if !errors.As(err, &fault) {
				t.Fatalf("decoded to %+v, error %v", m, err)
			}
			if fault.Path != tc.path || !strings.Contains(fault.Reason, tc.reason) {
				t.Errorf("got %v\nwant path %s, reason %s", err, tc.path, tc.reason)
			}
			if want := strings.LastIndex(value, tc.at); fault.Offset != want {
				t.Errorf("offset %d, want %d, in %s", fault.Offset, want, value)
			}
		})
	}
}

func TestDecodeBoundsTheColumns(t *testing.T) {
	var columns strings.Builder
	for i := range 5000 {
		fmt.Fprintf(&columns, `"c%d":4,`, i)
	}
	_, err := canaljson.Decode([]byte(strings.Replace(valid, `"sqlType":{`, `"sqlType":{`+columns.String(), 1)))
	if err == nil || !strings.Contains(err.Error(), "sqlType.c4096: ") || !strings.Contains(err.Error(), "more than 4096 columns") {
		t.Errorf("error %v", err)
	}
}
