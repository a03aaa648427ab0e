package tidb_test

import "testing"

func TestSmoke(t *testing.T) {
	kafka := newKafka(t, 4, "changes")
	db := open(t, sqlPort)
	exec(t, db, "CREATE DATABASE smoke")
	exec(t, db, "CREATE TABLE smoke.t (id INT PRIMARY KEY, v VARCHAR(20))")
	api.create(t, map[string]any{"changefeed_id": "smoke", "sink_uri": sinkURI(kafka, "changes", "enable-tidb-extension=true"),
		"replica_config": map[string]any{"filter": map[string]any{"rules": []string{"smoke.*"}}}})
	exec(t, db, "INSERT INTO smoke.t VALUES (1, 'a')")
	exec(t, db, "UPDATE smoke.t SET v = 'b'")
	for _, r := range consume(t, kafka, "changes").changes(t, 2) {
		t.Logf("%d %d %s", r.Partition, r.Offset, r.Value)
	}
}
