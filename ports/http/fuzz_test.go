package http

import (
	"testing"
	"unicode/utf8"

	"helfy/app/query"
)

func FuzzCursor(f *testing.F) {
	f.Add("")
	f.Add("abc")
	f.Add(*formatCursor(&query.AuditPosition{CommitTs: 1<<64 - 1, Table: "users", RowKey: "1"}))
	f.Fuzz(func(t *testing.T, cursor string) {
		position, err := parseCursor[query.AuditPosition](cursor)
		if err != nil || position == nil {
			return
		}
		again, err := parseCursor[query.AuditPosition](*formatCursor(position))
		if err != nil || *again != *position {
			t.Errorf("%q: %+v became %+v, %v", cursor, position, again, err)
		}
	})
}

func FuzzStrictJSON(f *testing.F) {
	f.Add([]byte(`{"username":"admin","password":"admin"}`))
	f.Add([]byte(`{"a":1,"\u0061":2}`))
	f.Add([]byte("{\"a\":\"\xff\"}"))
	f.Add([]byte(`[[[[`))
	f.Fuzz(func(t *testing.T, body []byte) {
		var input struct {
			Username string `json:"username"`
			Password string `json:"password"`
		}
		if strictJSON.Unmarshal(body, &input) != nil {
			return
		}
		if !utf8.Valid(body) || !utf8.ValidString(input.Username) {
			t.Errorf("accepted %q", body)
		}
	})
}
