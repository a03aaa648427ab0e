package tidb_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"helfy/canaljson"
)

// ddlFixtures lists the schema changes behind the fixtures in the order in
// which they can be made.
var ddlFixtures = []string{
	"create_database", "create_table.users", "create_table.outbox", "create_table.all_types", "create_table.no_pk",
	"create_table.generated", "create_table.users_int", "alter_table.add_column", "alter_table.add_index",
	"rename_table", "truncate_table",
}

func TestSameDDLGivesTheBytesOfTiCDC(t *testing.T) {
	for _, version := range []string{"tiflow-v8.5.5", "ticdc-newarch-v8.5.5"} {
		t.Run(version, func(t *testing.T) { sameDDL(t, fixtures+version) })
	}
}

func sameDDL(t *testing.T, dir string) {
	variants := map[string]string{"ext": "enable-tidb-extension=true", "noext": ""}
	kafka := newKafka(t, 1, "ddl-ext", "ddl-noext")
	db := open(t, sqlPort)
	for variant, params := range variants {
		api.create(t, map[string]any{"changefeed_id": "ddl-" + variant, "sink_uri": sinkURI(kafka, "ddl-"+variant, params),
			"replica_config": map[string]any{"force_replicate": true, // a table of the fixtures has no key
				"filter": map[string]any{"rules": []string{"db.*"}}}})
		t.Cleanup(func() { api.remove(t, "ddl-"+variant) })
	}
	t.Cleanup(func() {
		if _, err := db.ExecContext(context.Background(), "DROP DATABASE db"); err != nil {
			t.Error(err)
		}
	})
	want := map[string][][]byte{}
	for _, name := range ddlFixtures {
		for variant := range variants {
			want[variant] = append(want[variant], ddlFixture(t, dir, name, variant))
		}
		mustExec(t, db, statement(t, want["ext"][len(want["ext"])-1]))
	}
	for variant := range variants {
		for i, r := range consume(t, kafka, "ddl-"+variant).changes(t, len(ddlFixtures)) {
			if w, g := normalise(t, want[variant][i]), normalise(t, r.Value); w != g {
				t.Errorf("%s.%s:\nwant %q\n got %q", ddlFixtures[i], variant, w, g)
			}
			if r.Key != nil || len(r.Headers) > 0 {
				t.Errorf("%s: key %v, headers %v", ddlFixtures[i], r.Key, r.Headers)
			}
		}
	}
}

// ddlFixture reads a fixture. The new architecture's lack the rename; both
// architectures' have the same form.
func ddlFixture(t *testing.T, dir, name, variant string) []byte {
	t.Helper()
	if name == "rename_table" {
		dir = fixtures + "tiflow-v8.5.5"
	}
	data, err := os.ReadFile(filepath.Join(dir, "ddl."+name+"."+variant+".json"))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func statement(t *testing.T, fixture []byte) string {
	t.Helper()
	var ddl struct{ SQL string }
	if err := json.Unmarshal(fixture, &ddl); err != nil {
		t.Fatal(err)
	}
	return ddl.SQL
}

func TestSchemaChangesAreRoutedAndFiltered(t *testing.T) {
	kafka := newKafka(t, 3, "ddlroute", "ddlroute-outbox", "ddlroute-members")
	db := open(t, sqlPort)
	newDatabase(t, db, "DdlRoute")
	mustExec(t, db, "CREATE TABLE DdlRoute.Users (id INT PRIMARY KEY)")
	mustExec(t, db, "CREATE TABLE DdlRoute.outbox (id INT PRIMARY KEY)")
	mustExec(t, db, "CREATE TABLE DdlRoute.other (id INT PRIMARY KEY)")
	api.create(t, map[string]any{"changefeed_id": "ddlroute", "sink_uri": sinkURI(kafka, "ddlroute", "enable-tidb-extension=true"),
		"replica_config": map[string]any{
			"filter": map[string]any{"rules": []string{"ddlroute.*", "!ddlroute.other"}, "event_filters": []any{
				map[string]any{"matcher": []string{"ddlroute.outbox"}, "ignore_event": []string{"truncate table", "create index"}}}},
			"sink": map[string]any{"dispatchers": []any{
				map[string]any{"matcher": []string{"ddlroute.outbox"}, "topic": "ddlroute-outbox"},
				map[string]any{"matcher": []string{"ddlroute.members"}, "topic": "ddlroute-members"},
			}}}})
	t.Cleanup(func() { api.remove(t, "ddlroute") })
	for _, s := range []string{
		"TRUNCATE TABLE DdlRoute.Users", "TRUNCATE TABLE DdlRoute.outbox", "TRUNCATE TABLE DdlRoute.other",
		"ALTER TABLE DdlRoute.outbox ADD COLUMN v INT", "CREATE INDEX v ON DdlRoute.outbox (v)",
		"RENAME TABLE DdlRoute.Users TO DdlRoute.Members",
		"ALTER TABLE DdlRoute.Members ADD COLUMN v INT",
		"CREATE TABLE DdlRoute.keyless (v INT)",
		"CREATE SEQUENCE DdlRoute.counter",
		"RENAME TABLE DdlRoute.Members TO DdlRoute.Users, DdlRoute.outbox TO DdlRoute.later",
		"ALTER DATABASE DdlRoute CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci",
	} {
		mustExec(t, db, s)
	}
	got := map[string][]string{}
	for _, r := range consume(t, kafka, "ddlroute", "ddlroute-outbox", "ddlroute-members").upTo(t, 9, now(t, db)) {
		if d := decode(t, r).(*canaljson.DDL); d.Database != "DdlRoute" || r.Partition != 0 {
			t.Errorf("database %s, partition %d: %s", d.Database, r.Partition, d.Query)
		}
		got[r.Topic] = append(got[r.Topic], texts(t, []*kgo.Record{r})...)
	}
	expect(t, got["ddlroute"],
		"Users TRUNCATE: TRUNCATE TABLE DdlRoute.Users",
		"Members RENAME: RENAME TABLE DdlRoute.Users TO DdlRoute.Members",
		" QUERY: ALTER DATABASE DdlRoute CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci")
	expect(t, got["ddlroute-outbox"],
		"outbox ALTER: ALTER TABLE DdlRoute.outbox ADD COLUMN v INT",
		"later RENAME: RENAME TABLE `DdlRoute`.`outbox` TO `DdlRoute`.`later`")
	expect(t, got["ddlroute-members"],
		"Members ALTER: ALTER TABLE DdlRoute.Members ADD COLUMN v INT",
		"Users RENAME: RENAME TABLE `DdlRoute`.`Members` TO `DdlRoute`.`Users`")
}

func TestTableThatIsRenamedIntoTheFilterFailsTheChangefeed(t *testing.T) {
	kafka := newKafka(t, 1, "entered")
	db := open(t, sqlPort)
	newDatabase(t, db, "entered")
	mustExec(t, db, "CREATE TABLE entered.fed (id INT PRIMARY KEY)")
	mustExec(t, db, "CREATE TABLE entered.other (id INT PRIMARY KEY)")
	api.create(t, map[string]any{"changefeed_id": "entered", "sink_uri": sinkURI(kafka, "entered", "enable-tidb-extension=true"),
		"replica_config": map[string]any{"filter": map[string]any{"rules": []string{"entered.fed*"}}}})
	t.Cleanup(func() { api.remove(t, "entered") })
	mustExec(t, db, "RENAME TABLE entered.fed TO entered.away")
	mustExec(t, db, "RENAME TABLE entered.other TO entered.fed2")
	expect(t, texts(t, consume(t, kafka, "entered").changes(t, 1)), "away RENAME: RENAME TABLE entered.fed TO entered.away")
	waitForState(t, api, "entered", "failed")
	if _, code := stateOf(t, api, "entered"); code != "CDC:ErrSyncRenameTableFailed" {
		t.Errorf("error code %s", code)
	}
}

// A schema change is sent when all rows before it have been acknowledged, in
// whatever partition, and a watermark of its commit TSO follows it at once.
func TestSchemaChangesDivideTheRowsOfAllPartitions(t *testing.T) {
	const partitions, writers, changes = 3, 4, 6
	kafka := newKafka(t, partitions, "divided")
	db := open(t, sqlPort)
	newDatabase(t, db, "divided")
	mustExec(t, db, "CREATE TABLE divided.t (id INT AUTO_INCREMENT PRIMARY KEY, v INT)")
	api.create(t, map[string]any{"changefeed_id": "divided", "sink_uri": sinkURI(kafka, "divided", "enable-tidb-extension=true"),
		"replica_config": map[string]any{"filter": map[string]any{"rules": []string{"divided.*"}},
			"sink": map[string]any{"dispatchers": []any{map[string]any{"matcher": []string{"*.*"}, "partition": "index-value"}}}}})
	t.Cleanup(func() { api.remove(t, "divided") })

	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for ctx.Err() == nil {
				if _, err := db.ExecContext(t.Context(), "INSERT INTO divided.t (v) VALUES (1)"); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for i := range changes {
		mustExec(t, db, fmt.Sprintf("ALTER TABLE divided.t ADD COLUMN c%d INT", i))
	}
	stop()
	wg.Wait()
	byPartition := consume(t, kafka, "divided").everything(t, partitions, now(t, db))
	var ddl []*kgo.Record
	for _, r := range byPartition[0] {
		if _, ok := decode(t, r).(*canaljson.DDL); ok {
			ddl = append(ddl, r)
		}
	}
	if len(ddl) != changes {
		t.Fatalf("%d schema changes, want %d", len(ddl), changes)
	}
	rows := 0
	for partition, records := range byPartition {
		for _, d := range ddl {
			rows += checkDivided(t, records, d)
		}
		t.Logf("partition %d: %d messages", partition, len(records))
	}
	if rows == 0 {
		t.Error("no rows were written meanwhile")
	}
}

// checkDivided compares the messages of one partition with a schema change.
// Their times are those of the producer.
func checkDivided(t *testing.T, records []*kgo.Record, ddl *kgo.Record) (rows int) {
	t.Helper()
	at := decode(t, ddl).(*canaljson.DDL).CommitTs
	marked := false
	for _, r := range records {
		switch m := decode(t, r).(type) {
		case *canaljson.Watermark:
			marked = marked || m.Ts == at
			if m.Ts > at && !marked {
				t.Errorf("partition %d has no watermark of the schema change at %d", r.Partition, at)
				return rows
			}
		case *canaljson.Change:
			rows++
			if after := m.CommitTs > at; after != marked || after && r.Timestamp.Before(ddl.Timestamp) || !after && r.Timestamp.After(ddl.Timestamp) {
				t.Errorf("partition %d offset %d: a row of %d, sent %s, on the wrong side of the schema change at %d, sent %s",
					r.Partition, r.Offset, m.CommitTs, r.Timestamp, at, ddl.Timestamp)
			}
		case *canaljson.DDL:
			if m.CommitTs == at && marked {
				t.Errorf("the watermark of the schema change at %d comes before it", at)
			}
		}
	}
	if !marked {
		t.Errorf("no watermark of the schema change at %d", at)
	}
	return rows
}

// everything reads like upTo, watermarks included.
func (c *consumer) everything(t *testing.T, partitions int, ts uint64) map[int32][]*kgo.Record {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	defer cancel()
	byPartition, complete := map[int32][]*kgo.Record{}, map[int32]bool{}
	for len(complete) < partitions {
		fetches := c.client.PollFetches(ctx)
		if err := ctx.Err(); err != nil {
			t.Fatalf("%d of %d partitions are complete up to %d: %v", len(complete), partitions, ts, err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			byPartition[r.Partition] = append(byPartition[r.Partition], r)
			if w, ok := decode(t, r).(*canaljson.Watermark); ok && w.Ts >= ts {
				complete[r.Partition] = true
			}
		})
	}
	return byPartition
}

func TestSchemaChangesSurvivePauseAndRestart(t *testing.T) {
	kafka := newKafka(t, 1, "ddlrestart")
	s := newServer(t)
	db := open(t, s.sqlPort)
	mustExec(t, db, "CREATE DATABASE ddlrestart")
	mustExec(t, db, "CREATE TABLE ddlrestart.t (id INT PRIMARY KEY)")
	s.api.create(t, map[string]any{"changefeed_id": "ddlrestart", "sink_uri": sinkURI(kafka, "ddlrestart", "enable-tidb-extension=true"),
		"replica_config": map[string]any{"filter": map[string]any{"rules": []string{"ddlrestart.*"}}}})
	mustExec(t, db, "TRUNCATE TABLE ddlrestart.t")
	if status, answer := s.api.do(t, http.MethodPost, "/api/v2/changefeeds/ddlrestart/pause", map[string]any{}); status != http.StatusOK {
		t.Fatalf("pause: %d %v", status, answer)
	}
	mustExec(t, db, "INSERT INTO ddlrestart.t VALUES (1)")
	mustExec(t, db, "ALTER TABLE ddlrestart.t ADD COLUMN v INT DEFAULT 7")
	mustExec(t, db, "INSERT INTO ddlrestart.t (id) VALUES (2)")
	mustExec(t, db, "DROP DATABASE ddlrestart")
	s.stop(t)
	s.start(t)
	eventually(t, "connect after the restart", func() error { return db.PingContext(t.Context()) })
	if status, answer := s.api.do(t, http.MethodPost, "/api/v2/changefeeds/ddlrestart/resume", map[string]any{}); status != http.StatusOK {
		t.Fatalf("resume: %d %v", status, answer)
	}
	// What was being sent when the changefeed was paused may be repeated.
	expect(t, slices.Compact(texts(t, consume(t, kafka, "ddlrestart").upTo(t, 1, now(t, db)))),
		"t TRUNCATE: TRUNCATE TABLE ddlrestart.t",
		"t INSERT id=1",
		"t ALTER: ALTER TABLE ddlrestart.t ADD COLUMN v INT DEFAULT 7",
		"t INSERT id=2 v=7",
		" QUERY: DROP DATABASE ddlrestart")
}
