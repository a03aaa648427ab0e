package kafka_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"helfy/devstack/kafka"
	"helfy/devstack/probe"
	"helfy/devstack/supervise"
)

const (
	topic      = "user-events"
	partitions = 4
	group      = "audit"
	limit      = 30 * time.Second
)

// TestMain is also the broker's process: with "broker DIR PORT" as arguments,
// or with "command PORT DIR", which no supervisor holds a pipe of.
func TestMain(m *testing.M) {
	if len(os.Args) == 4 && os.Args[1] == "command" {
		os.Exit(runCommand(os.Args[2], os.Args[3]))
	}
	if len(os.Args) == 4 && os.Args[1] == "broker" {
		port, err := strconv.Atoi(os.Args[3])
		if err != nil {
			panic(err)
		}
		os.Exit(supervise.ServePart(limit, func(ctx context.Context) error {
			return kafka.Run(ctx, kafka.Config{DataDir: os.Args[2], Port: port})
		}))
	}
	// The brokers started from here would sleep a second as they end.
	os.Setenv("GORACE", "atexit_sleep_ms=0")
	os.Exit(m.Run())
}

func TestStateSurvives(t *testing.T) {
	for name, end := range map[string]syscall.Signal{"kill -9": syscall.SIGKILL, "an orderly stop": syscall.SIGTERM} {
		t.Run(name, func(t *testing.T) {
			ctx := t.Context()
			dir := t.TempDir()
			b := startBroker(t, dir)
			admin := kadm.NewClient(b.client(t))
			forever := "-1"
			created, err := admin.CreateTopic(ctx, partitions, 1, map[string]*string{"retention.ms": &forever}, topic)
			if err != nil {
				t.Fatal(err)
			}
			acknowledged := produceUntilEnd(t, b, end)

			b = startBroker(t, dir)
			admin = kadm.NewClient(b.client(t))
			topics, err := admin.ListTopics(ctx, topic)
			if err != nil {
				t.Fatal(err)
			}
			if got := topics[topic]; got.ID != created.ID || len(got.Partitions) != partitions {
				t.Errorf("topic has id %v and %d partitions, want %v and %d", got.ID, len(got.Partitions), created.ID, partitions)
			}
			if got := retention(t, admin); got != forever {
				t.Errorf("retention.ms is %q, want %q", got, forever)
			}
			offsets, err := admin.FetchOffsets(ctx, group)
			if err != nil {
				t.Fatal(err)
			}
			if got, ok := offsets.Lookup(topic, 1); !ok || got.At != 17 {
				t.Errorf("committed offset is %v (%v), want 17", got.At, ok)
			}
			stored := consume(t, b, admin)
			for at, value := range acknowledged {
				if stored[at] != value {
					t.Fatalf("acknowledged record at %v is %q, want %q", at, stored[at], value)
				}
			}
		})
	}
}

func TestTopicMustBeCreatedFirst(t *testing.T) {
	b := startBroker(t, t.TempDir())
	err := b.client(t).ProduceSync(t.Context(), &kgo.Record{Topic: "unheard-of", Value: []byte("x")}).FirstErr()
	if !errors.Is(err, kerr.UnknownTopicOrPartition) {
		t.Errorf("got %v, want %v", err, kerr.UnknownTopicOrPartition)
	}
}

func TestRecordBeyondTheLimitIsRefused(t *testing.T) {
	b := startBroker(t, t.TempDir())
	// Compression would make the record small.
	client := b.client(t, kgo.ProducerBatchMaxBytes(4<<20), kgo.ProducerBatchCompression(kgo.NoCompression()))
	if _, err := kadm.NewClient(client).CreateTopic(t.Context(), 1, 1, nil, topic); err != nil {
		t.Fatal(err)
	}
	err := client.ProduceSync(t.Context(), &kgo.Record{Topic: topic, Value: make([]byte, 2<<20)}).FirstErr()
	if !errors.Is(err, kerr.MessageTooLarge) {
		t.Errorf("got %v, want %v", err, kerr.MessageTooLarge)
	}
}

// As when a test removes its topics while the feed still writes to them.
func TestTheBrokerOutlivesRecordsForTopicsThatAreGone(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	b := startBroker(t, t.TempDir())
	client := b.client(t, kgo.ProducerLinger(100*time.Millisecond), kgo.UnknownTopicRetries(0), kgo.RecordRetries(1))
	admin := kadm.NewClient(b.client(t))
	topics := []string{"changes", "events"}
	if _, err := admin.CreateTopics(ctx, 1, 1, nil, topics...); err != nil {
		t.Fatal(err)
	}
	produce := func() error {
		return client.ProduceSync(t.Context(),
			&kgo.Record{Topic: topics[0], Value: []byte("a")}, &kgo.Record{Topic: topics[1], Value: []byte("b")}).FirstErr()
	}
	if err := produce(); err != nil {
		t.Fatal(err)
	}
	if _, err := admin.DeleteTopics(ctx, topics...); err != nil {
		t.Fatal(err)
	}
	if err := produce(); !errors.Is(err, kerr.UnknownTopicOrPartition) {
		t.Errorf("records for topics that are gone: %v", err)
	}
	if err := b.client(t).Ping(ctx); err != nil {
		t.Errorf("the broker afterwards: %v", err)
	}
}

func TestUnusableDataFolderIsNamed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	err := kafka.Run(t.Context(), kafka.Config{DataDir: file, Port: freePort(t)})
	if err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("got %v, want an error that names %s", err, file)
	}
}

// produceUntilEnd commits an offset, produces, ends the broker while records
// are in flight, and returns those that it had acknowledged.
func produceUntilEnd(t *testing.T, b *broker, end syscall.Signal) map[position]string {
	t.Helper()
	client := b.client(t, kgo.RecordPartitioner(kgo.RoundRobinPartitioner()), kgo.ProducerLinger(0))
	var offsets kadm.Offsets
	offsets.AddOffset(topic, 1, 17, -1)
	if err := kadm.NewClient(client).CommitAllOffsets(t.Context(), group, offsets); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	var mu sync.Mutex
	acknowledged := map[position]string{}
	enough := make(chan struct{})
	onAck := func(r *kgo.Record, err error) {
		mu.Lock()
		defer mu.Unlock()
		if err != nil {
			return
		}
		acknowledged[position{r.Partition, r.Offset}] = string(r.Value)
		if len(acknowledged) == 1000 {
			close(enough)
		}
	}
	var producer sync.WaitGroup
	producer.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			client.Produce(ctx, &kgo.Record{Topic: topic, Value: fmt.Appendf(nil, "record %d", i)}, onAck)
		}
	})
	select {
	case <-enough:
	case <-ctx.Done():
		t.Fatal("too few records were acknowledged")
	}
	b.end(t, end)
	cancel()
	producer.Wait()
	client.Close()
	mu.Lock()
	defer mu.Unlock()
	t.Logf("%d records acknowledged when the broker ended", len(acknowledged))
	return acknowledged
}

type position struct {
	partition int32
	offset    int64
}

// consume reads the whole topic.
func consume(t *testing.T, b *broker, admin *kadm.Client) map[position]string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	ends, err := admin.ListEndOffsets(ctx, topic)
	if err != nil {
		t.Fatal(err)
	}
	var want int64
	ends.Each(func(end kadm.ListedOffset) { want += end.Offset })
	client := b.client(t, kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	stored := map[position]string{}
	for int64(len(stored)) < want {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatalf("after %d of %d records: %v", len(stored), want, err)
		}
		fetches.EachRecord(func(r *kgo.Record) { stored[position{r.Partition, r.Offset}] = string(r.Value) })
	}
	return stored
}

func retention(t *testing.T, admin *kadm.Client) string {
	t.Helper()
	configs, err := admin.DescribeTopicConfigs(t.Context(), topic)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range configs[0].Configs {
		if c.Key == "retention.ms" {
			return c.MaybeValue()
		}
	}
	return ""
}

// broker is a broker in a process of its own.
type broker struct {
	cmd  *exec.Cmd
	addr string
}

func startBroker(t *testing.T, dir string) *broker {
	t.Helper()
	port := freePort(t)
	lifeline, hold, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer lifeline.Close()
	b := &broker{
		cmd:  exec.Command(os.Args[0], "broker", dir, strconv.Itoa(port)),
		addr: supervise.Port{Number: port}.Addr(),
	}
	b.cmd.Stderr = t.Output()
	b.cmd.ExtraFiles = []*os.File{lifeline}
	if err := b.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		hold.Close()
		_ = b.cmd.Process.Kill()
		_ = b.cmd.Wait()
	})
	for deadline := time.Now().Add(limit); probe.Kafka(t.Context(), b.addr) != nil; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the broker does not answer")
		}
	}
	return b
}

// end ends the broker and returns when it is gone.
func (b *broker) end(t *testing.T, s syscall.Signal) {
	t.Helper()
	if err := b.cmd.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
	err := b.cmd.Wait()
	if s != syscall.SIGKILL && err != nil {
		t.Errorf("the broker ended with %v after %v", err, s)
	}
}

func (b *broker) client(t *testing.T, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	client, err := kgo.NewClient(append(opts, kgo.SeedBrokers(b.addr))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

func freePort(t *testing.T) int {
	t.Helper()
	ports, err := supervise.FreePorts(1)
	if err != nil {
		t.Fatal(err)
	}
	return ports[0]
}
