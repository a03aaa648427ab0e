package canaljson_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"helfy/canaljson"
)

func update() *canaljson.Change {
	return &canaljson.Change{
		Database: "d", Table: "t", PrimaryKey: []string{"a"}, Operation: canaljson.Update,
		Columns: []canaljson.Column{{Name: "a", SQLType: 4, MySQLType: "int"}, {Name: "b", SQLType: 12, MySQLType: "varchar"}},
		Old:     canaljson.Row{{Name: "b", Null: true}},
		New:     canaljson.Row{{Name: "a", Text: "1"}, {Name: "b", Text: "x"}},
	}
}

func TestEncodeEscapesAsTiCDCDoes(t *testing.T) {
	for text, want := range map[string]string{
		"\x00\x01\b\f\x1f":      `\u0000\u0001\u0008\u000c\u001f`,
		"\t\n\r":                `\t\n\r`,
		`"\/`:                   `\"\\/`,
		"<b>&'":                 `\u003cb\u003e\u0026'`,
		"\x7f":                  "\x7f",
		"é€\u0080ÿ😀":            "é€\u0080ÿ😀",
		"a\u2028b\u2029c\u202a": `a\u2028b\u2029c` + "\u202a",
	} {
		c := update()
		c.New[1].Text = text
		got, err := canaljson.Encode(c)
		if err != nil || !strings.Contains(string(got), `"data":[{"a":"1","b":"`+want+`"}]`) {
			t.Errorf("%q: error %v, got %s", text, err, got)
		}
		if back := decode(t, got); !reflect.DeepEqual(back, c) {
			t.Errorf("%q comes back as %+v", text, back)
		}
	}
}

func TestEncodeWritesAnEmptyKeyAsAnEmptyArray(t *testing.T) {
	c := update()
	c.PrimaryKey = nil
	got, err := canaljson.Encode(c)
	if err != nil || !strings.Contains(string(got), `"pkNames":[],`) {
		t.Errorf("error %v, got %s", err, got)
	}
}

func TestAppendJSONAppends(t *testing.T) {
	one, err := canaljson.Encode(update())
	if err != nil {
		t.Fatal(err)
	}
	both, err := canaljson.AppendJSON([]byte("head "), update())
	if err != nil || string(both) != "head "+string(one) || !json.Valid(one) {
		t.Errorf("error %v, got %s", err, both)
	}
}

func TestEncodeRefusesAnInvalidMessage(t *testing.T) {
	spoilt := func(spoil func(*canaljson.Change)) canaljson.Message {
		c := update()
		spoil(c)
		return c
	}
	for reason, m := range map[string]canaljson.Message{
		"no form":                    &canaljson.Unsupported{},
		"<nil> has no form":          nil,
		"change is nil":              (*canaljson.Change)(nil),
		"watermark is nil":           (*canaljson.Watermark)(nil),
		"DDL has no type":            &canaljson.DDL{Query: "x"},
		`member "sql": not UTF-8`:    &canaljson.DDL{Type: "QUERY", Query: "\xff"},
		"database and a table":       spoilt(func(c *canaljson.Change) { c.Table = "" }),
		`unknown operation "UPSERT"`: spoilt(func(c *canaljson.Change) { c.Operation = "UPSERT" }),
		"INSERT has no old":          spoilt(func(c *canaljson.Change) { c.Operation = canaljson.Insert }),
		"DELETE has no new":          spoilt(func(c *canaljson.Change) { c.Operation = canaljson.Delete }),
		"UPDATE needs an old":        spoilt(func(c *canaljson.Change) { c.Old = nil }),
		"0 columns":                  spoilt(func(c *canaljson.Change) { c.Columns, c.New = nil, nil }),
		"1 cells for 2 columns":      spoilt(func(c *canaljson.Change) { c.New = c.New[:1] }),
		`cell "z" where column "b"`:  spoilt(func(c *canaljson.Change) { c.New[1].Name = "z" }),
		`column "a" is there twice`:  spoilt(func(c *canaljson.Change) { c.New[1].Name, c.Columns[1].Name = "a", "a" }),
		`column "b": SQL type`:       spoilt(func(c *canaljson.Change) { c.Columns[1].SQLType = 1 << 31 }),
		`old cell "z"`:               spoilt(func(c *canaljson.Change) { c.Old[0].Name = "z" }),
		`old cell "b" has no`:        spoilt(func(c *canaljson.Change) { c.Old = append(c.Old, c.Old[0]) }),
		"twice in the primary key":   spoilt(func(c *canaljson.Change) { c.PrimaryKey = []string{"a", "a"} }),
		"17 columns, more than 16":   spoilt(func(c *canaljson.Change) { c.PrimaryKey = make([]string, 17) }),
		`member "b": not UTF-8`:      spoilt(func(c *canaljson.Change) { c.New[1].Text = "\xc3" }),
	} {
		got, err := canaljson.AppendJSON([]byte("head"), m)
		if err == nil || !strings.Contains(err.Error(), reason) || string(got) != "head" {
			t.Errorf("%s: error %v, got %s", reason, err, got)
		}
	}
}
