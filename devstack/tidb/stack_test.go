package tidb_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"helfy/canaljson"
)

// deadline bounds every wait of these tests.
const deadline = 60 * time.Second

// eventually polls until check returns nil.
func eventually(t *testing.T, what string, check func() error) {
	t.Helper()
	var err error
	for end := time.Now().Add(deadline); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if err = check(); err == nil {
			return
		}
	}
	t.Fatalf("%s: %v", what, err)
}

func newKafka(t *testing.T, partitions int32, topics ...string) *kfake.Cluster {
	t.Helper()
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(partitions, topics...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// client calls TiCDC's API.
type client struct{ url string }

func (c client) do(t *testing.T, method, path string, body any) (int, map[string]any) {
	t.Helper()
	encoded, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), method, c.url+path, strings.NewReader(string(encoded)))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	var answer map[string]any
	if err := json.Unmarshal(data, &answer); err != nil {
		t.Fatalf("%s %s: %q: %v", method, path, data, err)
	}
	return resp.StatusCode, answer
}

// create makes a changefeed and expects it to be accepted.
func (c client) create(t *testing.T, request map[string]any) {
	t.Helper()
	if status, answer := c.do(t, http.MethodPost, "/api/v2/changefeeds", request); status != http.StatusOK {
		t.Fatalf("create changefeed: %d %v", status, answer)
	}
}

func sinkURI(kafka *kfake.Cluster, topic, params string) string {
	return fmt.Sprintf("kafka://%s/%s?protocol=canal-json&%s", strings.Join(kafka.ListenAddrs(), ","), topic, params)
}

// remove deletes a changefeed, at the end of a test too.
func (c client) remove(t *testing.T, id string) {
	t.Helper()
	req, err := http.NewRequest(http.MethodDelete, c.url+"/api/v2/changefeeds/"+id, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
}

// consumer reads all partitions of topics from their beginning.
type consumer struct{ client *kgo.Client }

func consume(t *testing.T, kafka *kfake.Cluster, topics ...string) *consumer {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(kafka.ListenAddrs()...), kgo.ConsumeTopics(topics...),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchMaxWait(50*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return &consumer{client: client}
}

// changes reads until there are n changes; watermarks are checked and passed over.
func (c *consumer) changes(t *testing.T, n int) []*kgo.Record {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	defer cancel()
	var records []*kgo.Record
	for len(records) < n {
		fetches := c.client.PollFetches(ctx)
		if err := ctx.Err(); err != nil {
			t.Fatalf("got %d of %d changes: %v", len(records), n, err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			if _, ok := decode(t, r).(*canaljson.Watermark); !ok {
				records = append(records, r)
			}
		})
	}
	return records
}

// upTo reads until every partition has a watermark of ts or more. Then no
// change that committed by then may be missing.
func (c *consumer) upTo(t *testing.T, partitions int, ts uint64) []*kgo.Record {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	defer cancel()
	var records []*kgo.Record
	complete := map[string]bool{}
	for len(complete) < partitions {
		fetches := c.client.PollFetches(ctx)
		if err := ctx.Err(); err != nil {
			t.Fatalf("%d of %d partitions are complete up to %d: %v", len(complete), partitions, ts, err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			if w, ok := decode(t, r).(*canaljson.Watermark); !ok {
				records = append(records, r)
			} else if w.Ts >= ts {
				complete[fmt.Sprint(r.Topic, "/", r.Partition)] = true
			}
		})
	}
	return records
}

// now is TiDB's current TSO.
func now(t *testing.T, db *sql.DB) uint64 {
	t.Helper()
	tx, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	var ts uint64
	if err := tx.QueryRowContext(t.Context(), "SELECT @@tidb_current_ts").Scan(&ts); err != nil {
		t.Fatal(err)
	}
	return ts
}

func change(t *testing.T, r *kgo.Record) *canaljson.Change {
	t.Helper()
	c, ok := decode(t, r).(*canaljson.Change)
	if !ok {
		t.Fatalf("%s/%d@%d is not a change: %s", r.Topic, r.Partition, r.Offset, r.Value)
	}
	return c
}

// feedOf makes a database with the tables and a changefeed that feeds it to
// the topic of the same name, one partition.
func feedOf(t *testing.T, database string, ddl ...string) (*sql.DB, *consumer) {
	t.Helper()
	kafka := newKafka(t, 1, database)
	db := open(t, sqlPort)
	newDatabase(t, db, database)
	for _, statement := range ddl {
		mustExec(t, db, strings.ReplaceAll(statement, "{db}", database))
	}
	replica := map[string]any{"filter": map[string]any{"rules": []string{database + ".*"}}}
	id := strings.ReplaceAll(database, "_", "-")
	api.create(t, map[string]any{
		"changefeed_id": id, "sink_uri": sinkURI(kafka, database, "enable-tidb-extension=true"), "replica_config": replica,
	})
	t.Cleanup(func() { api.remove(t, id) })
	return db, consume(t, kafka, database)
}

// newDatabase makes a database that goes with the test.
func newDatabase(t *testing.T, db *sql.DB, name string) {
	t.Helper()
	mustExec(t, db, "CREATE DATABASE "+name)
	t.Cleanup(func() {
		if _, err := db.ExecContext(context.Background(), "DROP DATABASE "+name); err != nil {
			t.Error(err)
		}
	})
}

// texts renders messages shortly: a change's operation and cells, old ones
// after <, a schema change's type and statement.
func texts(t *testing.T, records []*kgo.Record) []string {
	t.Helper()
	cells := func(row canaljson.Row) string {
		var values []string
		for _, cell := range row {
			if cell.Null {
				cell.Text = "NULL"
			}
			values = append(values, cell.Name+"="+cell.Text)
		}
		return strings.Join(values, " ")
	}
	var list []string
	for _, r := range records {
		if d, ok := decode(t, r).(*canaljson.DDL); ok {
			list = append(list, d.Table+" "+d.Type+": "+d.Query)
			continue
		}
		c := change(t, r)
		text := c.Table + " " + string(c.Operation) + " " + cells(c.Row())
		if c.Operation == canaljson.Update {
			text += " < " + cells(c.Old)
		}
		list = append(list, text)
	}
	return list
}

func expect(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("got\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
}

func decode(t *testing.T, r *kgo.Record) canaljson.Message {
	t.Helper()
	m, err := canaljson.Decode(r.Value)
	if err != nil {
		t.Fatalf("%s/%d@%d: %v: %s", r.Topic, r.Partition, r.Offset, err, r.Value)
	}
	return m
}

func open(t *testing.T, port int) *sql.DB {
	t.Helper()
	db, err := sql.Open("mysql", fmt.Sprintf("root@tcp(127.0.0.1:%d)/?parseTime=false&timeout=5s", port))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	eventually(t, "connect to TiDB", func() error { return db.PingContext(t.Context()) })
	return db
}

func mustExec(t *testing.T, db interface {
	ExecContext(context.Context, string, ...any) (sql.Result, error)
}, query string, args ...any) {
	t.Helper()
	if _, err := db.ExecContext(t.Context(), query, args...); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}
