package verification

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"helfy/app/projection"
	"helfy/canaljson"
	"helfy/domain"
)

// memory is topics that are kept in memory: one of them for each partition.
type memory struct {
	t          *testing.T
	partitions [][]projection.Record
	earliest   int64
	reads      []int // the partitions in the order in which they were read
}

func newMemory(t *testing.T, partitions ...[]canaljson.Message) *memory {
	t.Helper()
	m := &memory{t: t}
	for i, messages := range partitions {
		var records []projection.Record
		for offset, message := range messages {
			value, err := canaljson.Encode(message)
			if err != nil {
				t.Fatal(err)
			}
			records = append(records, projection.Record{Topic: fmt.Sprint("topic", i), Offset: int64(offset), Value: value})
		}
		m.partitions = append(m.partitions, records)
	}
	return m
}

func (m *memory) Partitions() []projection.Partition {
	var partitions []projection.Partition
	for i, records := range m.partitions {
		p := projection.Partition{Topic: fmt.Sprint("topic", i), TopicID: "id", Earliest: m.earliest}
		if len(records) > 0 {
			p.End = records[len(records)-1].Offset + 1
		}
		partitions = append(partitions, p)
	}
	return partitions
}

func (m *memory) Read(context.Context) (Reader, error) {
	return &memoryReader{memory: m, next: make([]int, len(m.partitions))}, nil
}

type memoryReader struct {
	memory *memory
	next   []int
}

func (r *memoryReader) Next(i int) (projection.Record, error) {
	records := r.memory.partitions[i]
	if r.next[i] == len(records) {
		return projection.Record{}, io.EOF
	}
	r.next[i]++
	r.memory.reads = append(r.memory.reads, i)
	return records[r.next[i]-1], nil
}

func (r *memoryReader) Close() error { return nil }

// walk returns what was seen and, for each commit, its entries in short.
func (m *memory) walk() (Walked, []string, error) {
	m.t.Helper()
	var commits []string
	walked, err := Walk{Topics: m, Projection: projection.Audit{Database: "helfy"}}.Run(m.t.Context(), func() func([]domain.AuditEntry) error {
		commits = nil
		return func(entries []domain.AuditEntry) error {
			var ids []string
			for _, entry := range entries {
				ids = append(ids, fmt.Sprintf("%s %s", entry.Operation(), entry.ID()))
			}
			slices.Sort(ids)
			commits = append(commits, strings.Join(ids, " & "))
			return nil
		}
	})
	return walked, commits, err
}

// wants walks and fails unless the commits are those.
func (m *memory) wants(commits ...string) Walked {
	m.t.Helper()
	walked, got, err := m.walk()
	if err != nil || !slices.Equal(got, commits) {
		m.t.Errorf("got %q, %v, want %q", got, err, commits)
	}
	return walked
}

// change makes a change of a users row, of which before and after are the
// names, empty for no row.
func change(commitTs uint64, id int, before, after string) *canaljson.Change {
	c := &canaljson.Change{
		Database: "helfy", Table: "users", PrimaryKey: []string{"id"}, CommitTs: commitTs, Operation: canaljson.Update,
		Columns: []canaljson.Column{
			{Name: "id", SQLType: -5, MySQLType: "bigint"}, {Name: "username", SQLType: 12, MySQLType: "varchar"},
			{Name: "event_seq", SQLType: -5, MySQLType: "bigint"},
		},
	}
	row := func(name string) canaljson.Row {
		if name == "" {
			return nil
		}
		return canaljson.Row{{Name: "id", Text: fmt.Sprint(id)}, {Name: "username", Text: name}, {Name: "event_seq", Text: "1"}}
	}
	c.Old, c.New = row(before), row(after)
	switch {
	case before == "":
		c.Operation = canaljson.Insert
	case after == "":
		c.Operation = canaljson.Delete
	}
	return c
}

func insert(commitTs uint64, id int) *canaljson.Change { return change(commitTs, id, "", "x") }

func mark(ts uint64) *canaljson.Watermark { return &canaljson.Watermark{Ts: ts} }

type messages = []canaljson.Message

func TestPartitionsAreMergedInTheOrderOfCommits(t *testing.T) {
	m := newMemory(t,
		messages{insert(3, 1), insert(9, 1), mark(9)},
		messages{insert(2, 2), mark(2), insert(3, 2), insert(7, 2), mark(9)},
		messages{mark(9)})
	walked := m.wants("INSERT users/2@2", "INSERT users/1@3 & INSERT users/2@3", "INSERT users/2@7", "INSERT users/1@9")
	if walked.Through != 9 || walked.Entries != 5 || walked.Records != 9 {
		t.Errorf("walked %+v", walked)
	}
}

func TestWhatIsBeyondTheLeastWatermarkIsNotJudged(t *testing.T) {
	walked := newMemory(t,
		messages{insert(3, 1), mark(4), insert(5, 1)},
		messages{mark(9), insert(10, 2), insert(4, 3), mark(20)}).wants("INSERT users/1@3", "INSERT users/3@4")
	if walked.Through != 4 || walked.Above != 2 {
		t.Errorf("walked %+v", walked)
	}
}

func TestThePartitionThatIsBehindIsReadOn(t *testing.T) {
	m := newMemory(t,
		messages{mark(1), mark(5), insert(9, 1), mark(9)},
		messages{mark(2), mark(4), mark(8), mark(9)})
	m.wants("INSERT users/1@9")
	if want := []int{0, 1, 0, 1, 1, 0, 0, 1}; !slices.Equal(m.reads, want) {
		t.Errorf("read in the order %v, want %v", m.reads, want)
	}
}

func TestRepeatsAreLeftOut(t *testing.T) {
	walked := newMemory(t, messages{
		insert(2, 1), insert(3, 1), insert(2, 1), mark(4), insert(3, 1), mark(2), insert(2, 1), insert(6, 1), mark(6),
	}).wants("INSERT users/1@2", "INSERT users/1@3", "INSERT users/1@6")
	if walked.Repeats != 3 || walked.FaultCount != 0 {
		t.Errorf("walked %+v", walked)
	}
}

func TestARepeatThatSaysSomethingElseIsNamed(t *testing.T) {
	walked := newMemory(t, messages{insert(2, 1), mark(4), change(2, 1, "", "somebody else"), mark(6)}).wants("INSERT users/1@2")
	if walked.FaultCount != 1 || walked.Faults[0].Offset != 2 || walked.Faults[0].Topic != "topic0" {
		t.Errorf("faults %+v", walked.Faults)
	}
}

func TestTheHalvesOfASplitUpdateAreOneEntry(t *testing.T) {
	remove, add := change(2, 1, "old", ""), change(2, 1, "", "new")
	for _, halves := range []messages{{remove, add, mark(3)}, {add, remove, mark(3)}, {add, remove, mark(3), remove, add}} {
		newMemory(t, halves).wants("UPDATE users/1@2")
	}
	newMemory(t, messages{remove, mark(3)}).wants("DELETE users/1@2")
}

func TestAJoinedEntryIsCalledAsAfterTheChange(t *testing.T) {
	for _, halves := range [][2]*canaljson.Change{
		{change(2, 1, "old", ""), change(2, 1, "", "new")}, {change(2, 1, "", "new"), change(2, 1, "old", "")},
	} {
		var got domain.AuditEntry
		topics := newMemory(t, messages{halves[0], halves[1], mark(3)})
		_, err := Walk{Topics: topics, Projection: projection.Audit{Database: "helfy"}}.Run(t.Context(), func() func([]domain.AuditEntry) error {
			return func(entries []domain.AuditEntry) error { got = entries[0]; return nil }
		})
		if err != nil || got.Username != "new" || got.Offset != 0 || !strings.Contains(string(got.Old), "old") {
			t.Errorf("got %+v, %v", got, err)
		}
	}
}

func TestAnEntryThatComesLateIsPutWhereItBelongs(t *testing.T) {
	walked := newMemory(t, messages{
		insert(2, 1), mark(5), insert(3, 1), change(9, 1, "gone", ""), mark(9), change(9, 1, "", "came"), insert(3, 1), mark(10),
	}).wants("INSERT users/1@2", "INSERT users/1@3", "UPDATE users/1@9")
	if walked.Entries != 3 || walked.FaultCount != 0 {
		t.Errorf("walked %+v", walked)
	}
}

func TestWhatCannotBeReadIsNamed(t *testing.T) {
	m := newMemory(t, messages{mark(1), mark(2), mark(3), mark(4), mark(5), mark(6)})
	m.earliest = 1
	m.partitions[0] = slices.Delete(m.partitions[0], 3, 5) // offsets 3 and 4
	m.partitions[0] = m.partitions[0][1:]
	m.partitions[0][1].Value = []byte("{")
	walked := m.wants()
	var got []string
	for _, fault := range walked.Faults {
		got = append(got, fault.String())
	}
	want := []string{"topic0[0]@0: offsets 0 to 0 are gone by retention", "topic0[0]@2: canal-json", "topic0[0]@3: offsets 3 to 4 are missing"}
	if len(got) != len(want) || walked.FaultCount != 3 {
		t.Fatalf("faults %q", got)
	}
	for i := range want {
		if !strings.HasPrefix(got[i], want[i]) {
			t.Errorf("fault %q, want %q", got[i], want[i])
		}
	}
}

func TestWithoutAWatermarkNothingIsJudged(t *testing.T) {
	_, _, err := newMemory(t, messages{insert(2, 1), mark(3)}, messages{insert(1, 1)}).walk()
	if !errors.Is(err, ErrNoWatermark) || !strings.Contains(err.Error(), "topic1[0]") {
		t.Errorf("got %v", err)
	}
}

func TestAWalkEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	walk := Walk{Topics: newMemory(t, messages{mark(1)}), Projection: projection.Audit{Database: "helfy"}}
	_, err := walk.Run(ctx, func() func([]domain.AuditEntry) error { return nil })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// However messages are spread, repeated and delayed within the watermarks'
// promise, the walk gives them once and in order.
func FuzzWalk(f *testing.F) {
	f.Add(uint64(1), uint64(2))
	f.Fuzz(func(t *testing.T, seed1, seed2 uint64) {
		random := rand.New(rand.NewPCG(seed1, seed2))
		partitions := make([]messages, 1+random.IntN(4))
		var want []string
		for ts := uint64(1); ts < 60; ts++ {
			i := random.IntN(len(partitions))
			partitions[i] = append(partitions[i], insert(ts, int(ts)))
			want = append(want, fmt.Sprintf("INSERT users/%d@%d", ts, ts))
			for j := range partitions {
				if random.IntN(4) == 0 {
					partitions[j] = append(partitions[j], mark(ts))
				}
				if n := len(partitions[j]); n > 0 && random.IntN(8) == 0 { // a restart
					partitions[j] = append(partitions[j], partitions[j][random.IntN(n):]...)
				}
			}
		}
		for j := range partitions {
			partitions[j] = append(partitions[j], mark(100))
		}
		newMemory(t, partitions...).wants(want...)
	})
}
