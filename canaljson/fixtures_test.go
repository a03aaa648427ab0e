package canaljson_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"helfy/canaljson"
)

// fixtures returns the messages in testdata by their paths there. They were
// written by the encoders of TiCDC v8.5.5: the folder says which architecture,
// the name the case, with or without the extension, and content-compatible.
func fixtures(t testing.TB) map[string][]byte {
	t.Helper()
	paths, err := filepath.Glob("testdata/*/*.json")
	if err != nil || len(paths) != 172 {
		t.Fatalf("found %d fixtures, want 172 (error %v)", len(paths), err)
	}
	values := make(map[string][]byte, len(paths))
	for _, path := range paths {
		values[strings.TrimPrefix(filepath.ToSlash(path), "testdata/")] = read(t, path)
	}
	return values
}

func read(t testing.TB, path string) []byte {
	t.Helper()
	value, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return value
}

func decode(t testing.TB, value []byte) canaljson.Message {
	t.Helper()
	m, err := canaljson.Decode(value)
	if err != nil {
		t.Fatalf("Decode: %v\nof %s", err, value)
	}
	return m
}

func TestDecodeThenEncodeGivesTheFixture(t *testing.T) {
	for name, value := range fixtures(t) {
		t.Run(name, func(t *testing.T) {
			m := decode(t, value)
			if _, ok := m.(*canaljson.Unsupported); ok {
				if !strings.Contains(name, "handle_key_only.") {
					t.Fatalf("unsupported: %+v", m)
				}
				return
			}
			got, err := canaljson.Encode(m)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(document(t, got), document(t, value)) {
				t.Errorf("another document:\n got %s\nwant %s", got, value)
			}
			if want := withOrderedTypes(t, value); !bytes.Equal(got, want) {
				t.Errorf("other bytes:\n got %s\nwant %s", got, want)
			}
		})
	}
}

func document(t *testing.T, value []byte) (v any) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(value))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		t.Fatal(err)
	}
	return v
}

var mysqlTypes = regexp.MustCompile(`"mysqlType":(\{[^}]*\})`)

// withOrderedTypes puts the members of mysqlType, which TiCDC leaves in random
// order, into the order of sqlType.
func withOrderedTypes(t *testing.T, value []byte) []byte {
	t.Helper()
	var wire struct {
		SQLType   json.RawMessage
		MySQLType map[string]string
	}
	if err := json.Unmarshal(value, &wire); err != nil {
		t.Fatal(err)
	}
	ordered := []byte(`"mysqlType":{`)
	for _, m := range regexp.MustCompile(`"(\w+)":`).FindAllSubmatch(wire.SQLType, -1) {
		if len(ordered) > len(`"mysqlType":{`) {
			ordered = append(ordered, ',')
		}
		ordered = append(ordered, `"`+string(m[1])+`":"`+wire.MySQLType[string(m[1])]+`"`...)
	}
	return mysqlTypes.ReplaceAllLiteral(value, append(ordered, '}'))
}
