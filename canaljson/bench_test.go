package canaljson_test

import (
	"encoding/json"
	"testing"

	"helfy/canaljson"
)

// mapped is the message for encoding/json, for comparison.
type mapped struct {
	Database, Table, Type, SQL string
	PKNames                    []string
	IsDDL                      bool
	ES, TS                     int64
	SQLType                    map[string]int
	MySQLType                  map[string]string
	Old, Data                  []map[string]*string
	TiDB                       struct{ CommitTs, WatermarkTs uint64 } `json:"_tidb"`
}

func BenchmarkDecode(b *testing.B) {
	for name, file := range map[string]string{
		"update":    "users.update_password_and_token.ext.json",
		"outbox":    "outbox.insert.ext.json",
		"watermark": "watermark.ext.json",
	} {
		value := read(b, classic+file)
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(value)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := canaljson.Decode(value); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(name+"/encoding_json", func(b *testing.B) {
			b.SetBytes(int64(len(value)))
			b.ReportAllocs()
			for b.Loop() {
				var m mapped
				if err := json.Unmarshal(value, &m); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkEncode(b *testing.B) {
	m := decode(b, read(b, classic+"users.update_password_and_token.ext.json"))
	b.ReportAllocs()
	var out []byte
	for b.Loop() {
		var err error
		if out, err = canaljson.AppendJSON(out[:0], m); err != nil {
			b.Fatal(err)
		}
	}
}
