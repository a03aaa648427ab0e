package tidb_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	_ "github.com/go-sql-driver/mysql"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"helfy/canaljson"
)

// deadline bounds every wait of these tests.
const deadline = 60 * time.Second

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

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

func exec(t *testing.T, db interface {
	ExecContext(context.Context, string, ...any) (sql.Result, error)
}, query string, args ...any) {
	t.Helper()
	if _, err := db.ExecContext(t.Context(), query, args...); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}
