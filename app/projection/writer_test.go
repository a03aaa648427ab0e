package projection

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"helfy/canaljson"
)

// note is the simplest row: what its record said.
type note string

// notes makes a note of each DDL's query and refuses an empty one.
type notes struct{}

func (notes) Project(_ Record, message canaljson.Message) ([]note, error) {
	ddl, ok := message.(*canaljson.DDL)
	if !ok || ddl.Query == "" {
		return nil, errors.New("nothing to note")
	}
	return []note{note(ddl.Query)}, nil
}

// memory keeps flushes and can hold them up.
type memory struct {
	mu      sync.Mutex
	flushes [][]Item[note]
	gate    chan struct{} // a flush takes one from it
	begun   chan struct{} // a flush that waits at the gate, for whom wants to know
	err     error
	// now and most are how many flushes are under way, and were at most.
	now, most int
}

func (m *memory) Flush(_ context.Context, items []Item[note]) ([]bool, error) {
	m.enter()
	<-m.gate
	m.mu.Lock()
	defer m.mu.Unlock()
	m.now--
	if m.err != nil {
		return nil, m.err
	}
	for _, item := range items {
		if len(item.Rows) == 1 && item.Rows[0] == "rejected" {
			return nil, fmt.Errorf("too long: %w", ErrRejected)
		}
	}
	m.flushes = append(m.flushes, items)
	fresh := make([]bool, len(items))
	for i := range fresh {
		fresh[i] = true
	}
	return fresh, nil
}

func (m *memory) enter() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.now++
	m.most = max(m.most, m.now)
	select {
	case m.begun <- struct{}{}:
	default:
	}
}

func newMemory(open bool) *memory {
	m := &memory{gate: make(chan struct{}), begun: make(chan struct{}, 100)}
	if open {
		close(m.gate)
	}
	return m
}

func start(t *testing.T, store *memory) (*Writer[note], <-chan error) {
	t.Helper()
	writer, _, ended := startWith(t, store, WriterConfig{})
	return writer, ended
}

func startWith(t *testing.T, store *memory, config WriterConfig) (writer *Writer[note], stop context.CancelFunc, ended <-chan error) {
	t.Helper()
	writer = NewWriter(notes{}, store, config)
	end := make(chan error, 1)
	ctx, stop := context.WithCancel(context.Background())
	go func() { end <- writer.Run(ctx) }()
	t.Cleanup(stop)
	return writer, stop, end
}

// write writes one record.
func write(writer *Writer[note], record Record) (Outcome[note], error) {
	outcomes, err := writer.Write([]Record{record})
	if err != nil {
		return Outcome[note]{}, err
	}
	return outcomes[0], nil
}

func ddl(t *testing.T, partition int32, query string) Record {
	t.Helper()
	value, err := canaljson.Encode(&canaljson.DDL{Database: "d", Table: "t", Type: "QUERY", Query: query, CommitTs: 1})
	if err != nil {
		t.Fatal(err)
	}
	return Record{Topic: "topic", Partition: partition, Value: value}
}

func TestWriteReturnsOnlyWhenTheRecordIsDurable(t *testing.T) {
	store := newMemory(false)
	writer, _ := start(t, store)
	written := make(chan error, 1)
	go func() {
		outcome, err := write(writer, ddl(t, 0, "a"))
		if err == nil && (!outcome.Fresh || len(outcome.Rows) != 1 || outcome.Rows[0] != "a") {
			err = fmt.Errorf("outcome is %+v", outcome)
		}
		written <- err
	}()
	select {
	case err := <-written:
		t.Fatalf("Write returned before the flush: %v", err)
	case store.gate <- struct{}{}: // the flush has begun
	}
	if err := <-written; err != nil {
		t.Error(err)
	}
}

func TestRecordsThatArriveDuringAFlushShareTheNext(t *testing.T) {
	store := newMemory(false)
	writer, _ := start(t, store)
	const writers = 20
	var wait sync.WaitGroup
	for i := range int32(writers) {
		wait.Go(func() {
			if _, err := write(writer, ddl(t, i, "a")); err != nil {
				t.Error(err)
			}
		})
	}
	flushes := make(chan struct{})
	go func() {
		defer close(flushes)
		wait.Wait()
	}()
	for open := true; open; {
		select {
		case store.gate <- struct{}{}:
		case <-flushes:
			open = false
		}
	}
	total := 0
	for _, items := range store.flushes {
		total += len(items)
	}
	if total != writers {
		t.Errorf("%d records were flushed, want %d", total, writers)
	}
}

func TestWhatCannotBeUnderstoodIsADeadLetter(t *testing.T) {
	store := newMemory(true)
	writer, _ := start(t, store)
	for reason, record := range map[string]Record{
		"canal-json":      {Value: []byte("{")},
		"nothing to note": ddl(t, 0, ""),
		"onlyHandleKey":   {Value: []byte(reduced)},
	} {
		outcome, err := write(writer, record)
		if err != nil || !strings.Contains(outcome.DeadLetter, reason) || len(outcome.Rows) != 0 {
			t.Errorf("want a dead letter for %q, got %+v, %v", reason, outcome, err)
		}
	}
}

// reduced is a row of which only the handle key was sent.
const reduced = `{"id":0,"database":"d","table":"t","pkNames":["id"],"isDdl":false,"type":"INSERT","es":1,"ts":1,"sql":"",` +
	`"sqlType":{"id":-5},"mysqlType":{"id":"bigint"},"old":null,"data":[{"id":"1"}],"_tidb":{"commitTs":1,"onlyHandleKey":true}}`

func TestARowThatTheDatabaseRejectsIsADeadLetterAlone(t *testing.T) {
	store := newMemory(true)
	writer, _ := start(t, store)
	var wait sync.WaitGroup
	for i := range int32(10) {
		wait.Go(func() {
			query := "fine"
			if i == 3 {
				query = "rejected"
			}
			outcome, err := write(writer, ddl(t, i, query))
			if err != nil || !outcome.Fresh || (outcome.DeadLetter != "") != (i == 3) {
				t.Errorf("record %d: %+v, %v", i, outcome, err)
			}
		})
	}
	wait.Wait()
}

func TestARejectedRowAmongTheRecordsOfAPartitionIsADeadLetterAlone(t *testing.T) {
	store := newMemory(true)
	writer, _ := start(t, store)
	var records []Record
	for i := range int64(11) {
		query := fmt.Sprint("fine ", i)
		if i == 7 {
			query = "rejected"
		}
		record := ddl(t, 0, query)
		record.Offset = i
		records = append(records, record)
	}
	outcomes, err := writer.Write(records)
	if err != nil || len(outcomes) != len(records) {
		t.Fatalf("%d outcomes, %v", len(outcomes), err)
	}
	for i, outcome := range outcomes {
		if !outcome.Fresh || outcome.Record.Offset != int64(i) || (outcome.DeadLetter != "") != (i == 7) || outcome.Message == nil {
			t.Errorf("record %d: %+v", i, outcome)
		}
	}
	next := int64(0)
	for _, items := range store.flushes {
		for _, item := range items {
			if item.Record.Offset != next {
				t.Errorf("offset %d was stored where %d was due", item.Record.Offset, next)
			}
			next++
		}
	}
}

func TestADatabaseErrorGoesBackToTheRecord(t *testing.T) {
	store := newMemory(true)
	away := errors.New("database away")
	store.err = away
	writer, _ := start(t, store)
	if _, err := write(writer, ddl(t, 0, "a")); !errors.Is(err, away) {
		t.Errorf("got %v", err)
	}
	store.mu.Lock()
	store.err = nil
	store.mu.Unlock()
	if _, err := write(writer, ddl(t, 0, "a")); err != nil {
		t.Errorf("after it came back: %v", err)
	}
}

func TestAGapEndsTheWriter(t *testing.T) {
	store := newMemory(true)
	store.err = fmt.Errorf("wrapped: %w", ErrGap)
	writer, ended := start(t, store)
	if _, err := write(writer, ddl(t, 0, "a")); !errors.Is(err, ErrGap) {
		t.Errorf("the record got %v", err)
	}
	if err := <-ended; !errors.Is(err, ErrGap) {
		t.Errorf("Run returned %v", err)
	}
	if _, err := write(writer, ddl(t, 0, "a")); !errors.Is(err, ErrStopped) {
		t.Errorf("a write afterwards got %v", err)
	}
}
