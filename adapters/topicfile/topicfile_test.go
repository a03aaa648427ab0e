package topicfile

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"helfy/app/projection"
	"helfy/app/verification"
)

// records is one partition that is kept in memory.
type records []projection.Record

func (r records) Partitions() []projection.Partition {
	return []projection.Partition{{Topic: "events", TopicID: "id", Partition: 0, Earliest: r[0].Offset, End: r[len(r)-1].Offset + 1}}
}

func (r records) Read(context.Context) (verification.Reader, error) {
	return &recordsReader{left: r}, nil
}

type recordsReader struct {
	left records
	err  error // what comes in place of io.EOF
}

func (r *recordsReader) Next(int) (projection.Record, error) {
	if len(r.left) == 0 {
		return projection.Record{}, errors.Join(r.err, io.EOF)
	}
	record := r.left[0]
	r.left = r.left[1:]
	return record, nil
}

func (r *recordsReader) Close() error { return nil }

// some are records of every kind: text, bytes that are no text, empty, none.
func some() records {
	at := time.Date(2026, 11, 22, 17, 9, 29, 321e6, time.UTC)
	var all records
	for i, value := range [][]byte{[]byte("{\"a\":\"<é\u2028>\"}\n"), {0xff, 0}, {}, nil, []byte("{}")} {
		all = append(all, projection.Record{Topic: "events", Offset: int64(i + 2), Value: value, At: at})
	}
	return all
}

func exported(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "export")
	if _, err := Export(t.Context(), dir, "helfy", some(), nil); err != nil {
		t.Fatal(err)
	}
	return dir
}

// readAll opens an export and reads its only partition.
func readAll(t *testing.T, dir string) (records, error) {
	t.Helper()
	folder, err := Open(t.Context(), dir)
	if err != nil {
		return nil, err
	}
	reader, err := folder.Read(t.Context())
	if err != nil {
		return nil, err
	}
	defer func() {
		if err := reader.Close(); err != nil {
			t.Error(err)
		}
	}()
	var all records
	for {
		record, err := reader.Next(0)
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return all, err
		}
		all = append(all, record)
	}
}

func TestAnExportGivesTheSameRecords(t *testing.T) {
	dir := exported(t)
	got, err := readAll(t, dir)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range some() {
		if i >= len(got) || got[i].String() != want.String() || !got[i].At.Equal(want.At) ||
			!bytes.Equal(got[i].Value, want.Value) || (got[i].Value == nil) != (want.Value == nil) {
			t.Fatalf("record %d of %d is not %+v: %+v", i, len(got), want, got)
		}
	}
	folder, err := Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	if m := folder.Manifest(); m.Database != "helfy" || m.Lost() != 2 || m.Topics[0].Partitions[0].Count != 5 {
		t.Errorf("manifest %+v", m)
	}
	if !slices.Equal(folder.Partitions(), some().Partitions()) {
		t.Errorf("partitions %+v", folder.Partitions())
	}
}

func TestAnExportThatFailsLeavesNothing(t *testing.T) {
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	dir := filepath.Join(t.TempDir(), "export")
	if _, err := Export(cancelled, dir, "helfy", some(), nil); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 0 {
		t.Errorf("left %v, %v", entries, err)
	}
	if _, err := Open(t.Context(), dir); err == nil || !strings.Contains(err.Error(), "no export") {
		t.Errorf("an empty folder: %v", err)
	}
}

func TestAFolderThatIsNotEmptyIsLeftAlone(t *testing.T) {
	dir := exported(t)
	before, err := os.ReadFile(filepath.Join(dir, manifestFile))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Export(t.Context(), dir, "helfy", some(), nil); err == nil || !strings.Contains(err.Error(), "not empty") {
		t.Errorf("got %v", err)
	}
	if after, err := os.ReadFile(filepath.Join(dir, manifestFile)); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the manifest was changed: %v", err)
	}
}

func TestWhatWasDoneToAnExportIsNamed(t *testing.T) {
	const file = "events-0.jsonl.gz"
	change := func(name string, do func([]byte) []byte) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			path := filepath.Join(dir, name)
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, do(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	replace := func(old, by string) func(*testing.T, string) {
		return change(manifestFile, func(text []byte) []byte {
			if !bytes.Contains(text, []byte(old)) {
				panic("the manifest has no " + old)
			}
			return bytes.Replace(text, []byte(old), []byte(by), 1)
		})
	}
	for name, c := range map[string]struct {
		do   func(*testing.T, string)
		want []string
	}{
		"file cut off":   {change(file, func(text []byte) []byte { return text[:len(text)/2] }), []string{file, "SHA-256"}},
		"file changed":   {change(file, func(text []byte) []byte { text[20] ^= 1; return text }), []string{file, "SHA-256"}},
		"file gone":      {func(t *testing.T, dir string) { remove(t, filepath.Join(dir, file)) }, []string{file}},
		"manifest gone":  {func(t *testing.T, dir string) { remove(t, filepath.Join(dir, manifestFile)) }, []string{manifestFile}},
		"manifest cut":   {change(manifestFile, func(text []byte) []byte { return text[:len(text)-4] }), []string{manifestFile}},
		"other count":    {replace(`"count": 5`, `"count": 4`), []string{file, "line 6", "5 records"}},
		"other end":      {replace(`"endOffset": 7`, `"endOffset": 9`), nil}, // the walk names the records as missing
		"shorter end":    {replace(`"endOffset": 7`, `"endOffset": 6`), []string{manifestFile, "cannot be"}},
		"other format":   {replace(`helfy-topics/1`, `helfy-topics/2`), []string{manifestFile, "helfy-topics/2"}},
		"unknown member": {replace(`"count": 5`, `"count": 5, "x": 1`), []string{manifestFile}},
		"other folder":   {replace(file, "../"+file), []string{manifestFile, "no name"}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := exported(t)
			c.do(t, dir)
			_, err := readAll(t, dir)
			if (err == nil) != (len(c.want) == 0) {
				t.Fatalf("got %v", err)
			}
			for _, part := range c.want {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("got %v, want %q in it", err, part)
				}
			}
		})
	}
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}

func FuzzLine(f *testing.F) {
	for _, record := range some() {
		text, err := encode(record)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Add([]byte(`{"offset":-1}`))
	f.Add([]byte(`{"offset":1,"offset":2}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		record, err := decode(text)
		if err != nil {
			return
		}
		again, err := encode(record)
		if err != nil {
			t.Fatal(err)
		}
		same, err := decode(again)
		if err != nil || fmt.Sprint(same) != fmt.Sprint(record) {
			t.Errorf("%q became %+v, then %+v, %v", text, record, same, err)
		}
	})
}

func FuzzManifest(f *testing.F) {
	f.Add([]byte(`{"format":"helfy-topics/1","exportedAt":"2026-11-22T17:09:29Z","database":"d","topics":[` +
		`{"name":"t","id":"i","partitions":[{"partition":0,"file":"f","firstOffset":0,"endOffset":2,"count":2,"sha256":"00"}]}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		m, err := readManifest(bytes.NewReader(text))
		if err != nil {
			return
		}
		for _, topic := range m.Topics {
			for _, p := range topic.Partitions {
				if strings.ContainsAny(p.File, `/\`) || p.Count > p.EndOffset-p.FirstOffset {
					t.Errorf("accepted %+v", p)
				}
			}
		}
	})
}
