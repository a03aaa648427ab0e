package seglog

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
)

func mustOpen(t *testing.T, dir string, size int64) *Log {
	t.Helper()
	l, err := Open(dir, size)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func mustAppend(t *testing.T, l *Log, ids ...uint64) {
	t.Helper()
	for _, id := range ids {
		if err := l.Append(Record{ID: id, Data: fmt.Appendf(nil, "record %d", id)}); err != nil {
			t.Fatal(err)
		}
	}
}

// ids reads to the end.
func ids(t *testing.T, r *Reader) []uint64 {
	t.Helper()
	var list []uint64
	for {
		rec, err := r.Next()
		if err == io.EOF {
			return list
		}
		if err != nil {
			t.Fatal(err)
		}
		if want := fmt.Sprintf("record %d", rec.ID); string(rec.Data) != want {
			t.Fatalf("record %d holds %q", rec.ID, rec.Data)
		}
		list = append(list, rec.ID)
	}
}

func read(t *testing.T, l *Log, from uint64) []uint64 {
	t.Helper()
	r := l.Reader(from)
	defer r.Close()
	return ids(t, r)
}

func equal(t *testing.T, got, want []uint64) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestRecordsSurviveReopening(t *testing.T) {
	dir := t.TempDir()
	for i := range uint64(3) {
		l := mustOpen(t, dir, 50) // two records a segment
		mustAppend(t, l, 3*i+1, 3*i+2, 3*i+3)
		if l.LastID() != 3*i+3 {
			t.Errorf("last id %d", l.LastID())
		}
	}
	l := mustOpen(t, dir, 50)
	equal(t, read(t, l, 0), []uint64{1, 2, 3, 4, 5, 6, 7, 8, 9})
	equal(t, read(t, l, 5), []uint64{5, 6, 7, 8, 9})
	equal(t, read(t, l, 10), nil)
}

func TestReaderFollows(t *testing.T) {
	l := mustOpen(t, t.TempDir(), 50)
	r := l.Reader(0)
	defer r.Close()
	equal(t, ids(t, r), nil)
	for i := range uint64(20) {
		mustAppend(t, l, i+1)
		equal(t, ids(t, r), []uint64{i + 1})
	}
}

func TestReaderNeverSeesAWriteInProgress(t *testing.T) {
	const records = 2000
	l := mustOpen(t, t.TempDir(), 1000)
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := range uint64(records) {
			mustAppend(t, l, i+1)
		}
	})
	r := l.Reader(0)
	defer r.Close()
	var last uint64
	for last < records {
		for _, id := range ids(t, r) {
			if id != last+1 {
				t.Fatalf("%d follows %d", id, last)
			}
			last = id
		}
	}
	wg.Wait()
}

func TestTornTailIsCutOff(t *testing.T) {
	for cut := 1; cut < headerSize+len("record 3"); cut++ {
		dir := t.TempDir()
		l := mustOpen(t, dir, 1000)
		mustAppend(t, l, 1, 2, 3)
		path := filepath.Join(dir, "00000000000000000001.log")
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(path, info.Size()-int64(cut)); err != nil {
			t.Fatal(err)
		}
		l = mustOpen(t, dir, 1000)
		equal(t, read(t, l, 0), []uint64{1, 2})
		mustAppend(t, l, 4)
		equal(t, read(t, l, 0), []uint64{1, 2, 4})
	}
}

func TestSegmentWithoutAnIntactRecordIsRemoved(t *testing.T) {
	dir := t.TempDir()
	mustAppend(t, mustOpen(t, dir, 1), 1, 2)
	if err := os.Truncate(filepath.Join(dir, "00000000000000000002.log"), 3); err != nil {
		t.Fatal(err)
	}
	l := mustOpen(t, dir, 1)
	equal(t, read(t, l, 0), []uint64{1})
	mustAppend(t, l, 2)
	equal(t, read(t, l, 0), []uint64{1, 2})
}

func TestDamageIsAnError(t *testing.T) {
	dir := t.TempDir()
	mustAppend(t, mustOpen(t, dir, 1000), 1, 2)
	path := filepath.Join(dir, "00000000000000000001.log")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	data[headerSize] ^= 1
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, 1000); !errors.Is(err, errDamaged) {
		t.Errorf("got %v", err)
	}
}

func TestDropBefore(t *testing.T) {
	l := mustOpen(t, t.TempDir(), 50)
	mustAppend(t, l, 1, 2, 3, 4, 5, 6)
	if err := l.DropBefore(4); err != nil {
		t.Fatal(err)
	}
	if got := read(t, l, 0); !slices.Contains(got, 4) || slices.Contains(got, 1) {
		t.Errorf("got %v", got)
	}
	if err := l.DropBefore(100); err != nil {
		t.Fatal(err)
	}
	if got := read(t, l, 0); len(got) == 0 {
		t.Error("the newest segment is gone")
	}
	if err := l.Clear(); err != nil {
		t.Fatal(err)
	}
	equal(t, read(t, l, 0), nil)
	mustAppend(t, l, 7)
	equal(t, read(t, l, 0), []uint64{7})
}

func TestIDsDoNotDecrease(t *testing.T) {
	l := mustOpen(t, t.TempDir(), 50)
	mustAppend(t, l, 5, 5)
	if err := l.Append(Record{ID: 4}); err == nil {
		t.Error("4 was appended after 5")
	}
	equal(t, read(t, l, 5), []uint64{5, 5})
}
