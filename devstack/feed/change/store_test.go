package change

import (
	"io"
	"slices"
	"strconv"
	"testing"
	"time"
)

// openStore recovers with the values that the database has.
func openStore(t *testing.T, dir string, now uint64, values map[string]string) *Store {
	t.Helper()
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	err = s.Recover(now, func(keys [][]byte) (map[string][]byte, error) {
		latest := map[string][]byte{}
		for _, k := range keys {
			if v, ok := values[string(k)]; ok {
				latest[string(k)] = []byte(v)
			}
		}
		return latest, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func prewrite(t *testing.T, s *Store, startTs uint64, keys ...string) {
	t.Helper()
	txn := &Txn{StartTs: startTs, Primary: []byte(keys[0])}
	for _, k := range keys {
		txn.Mutations = append(txn.Mutations, Mutation{Key: []byte(k), Value: []byte("new " + k), Old: []byte("old"), Schema: 7})
	}
	if err := s.Prewritten(txn); err != nil {
		t.Fatal(err)
	}
}

func commit(t *testing.T, s *Store, startTs, commitTs uint64, keys ...string) {
	t.Helper()
	committing(t, s, startTs, commitTs, keys...)
	s.Committed(startTs, commitTs, bytesOf(keys))
}

func committing(t *testing.T, s *Store, startTs, commitTs uint64, keys ...string) {
	t.Helper()
	if err := s.Committing(startTs, commitTs, bytesOf(keys)); err != nil {
		t.Fatal(err)
	}
}

func bytesOf(keys []string) [][]byte {
	var list [][]byte
	for _, k := range keys {
		list = append(list, []byte(k))
	}
	return list
}

func advance(t *testing.T, s *Store, now, want uint64) {
	t.Helper()
	if err := s.Advance(now); err != nil {
		t.Fatal(err)
	}
	if got, _ := s.Resolved(); got != want {
		t.Errorf("resolved %d, want %d", got, want)
	}
}

// changes returns commit TSO and keys of what was made durable after a TSO.
func changes(t *testing.T, s *Store, after uint64) []string {
	t.Helper()
	r := s.Reader(after)
	defer r.Close()
	var list []string
	for {
		txn, err := r.Next()
		if err == io.EOF {
			return list
		}
		if err != nil {
			t.Fatal(err)
		}
		text := strconv.FormatUint(txn.CommitTs, 10)
		for _, m := range txn.Mutations {
			text += " " + string(m.Key)
			if string(m.Value) != "new "+string(m.Key) || string(m.Old) != "old" || m.Schema != 7 {
				t.Errorf("mutation %+v", m)
			}
		}
		list = append(list, text)
	}
}

func expect(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestChangesComeInCommitOrderOnceNoEarlierCanFollow(t *testing.T) {
	s := openStore(t, t.TempDir(), 1, nil)
	prewrite(t, s, 10, "a")
	prewrite(t, s, 12, "b")
	prewrite(t, s, 14, "c", "d")
	commit(t, s, 14, 15, "c", "d")
	commit(t, s, 12, 16, "b")
	advance(t, s, 20, 9)
	expect(t, changes(t, s, 0))
	commit(t, s, 10, 18, "a")
	advance(t, s, 21, 21)
	expect(t, changes(t, s, 0), "15 c d", "16 b", "18 a")
	expect(t, changes(t, s, 15), "16 b", "18 a")
}

func TestResolvedNeverGoesBack(t *testing.T) {
	s := openStore(t, t.TempDir(), 1, nil)
	advance(t, s, 100, 100)
	prewrite(t, s, 50, "a") // began long ago, commits from now on
	advance(t, s, 120, 100)
	commit(t, s, 50, 110, "a")
	advance(t, s, 130, 130)
	expect(t, changes(t, s, 100), "110 a")
}

func TestRolledBackTransactionsAreForgotten(t *testing.T) {
	s := openStore(t, t.TempDir(), 1, nil)
	prewrite(t, s, 10, "a", "b")
	s.RolledBack(10, [][]byte{[]byte("b")}) // says nothing about the primary
	advance(t, s, 20, 9)
	s.RolledBack(10, [][]byte{[]byte("a")})
	advance(t, s, 20, 20)
	expect(t, changes(t, s, 0))
}

func TestOnlyThePrimaryDecides(t *testing.T) {
	s := openStore(t, t.TempDir(), 1, nil)
	prewrite(t, s, 10, "a", "b")
	commit(t, s, 10, 15, "b")
	advance(t, s, 20, 9)
	commit(t, s, 10, 15, "a")
	commit(t, s, 10, 15, "b")
	advance(t, s, 20, 20)
	expect(t, changes(t, s, 0), "15 a b")
}

func TestPartsOfAPrewriteAreJoined(t *testing.T) {
	s := openStore(t, t.TempDir(), 1, nil)
	for _, key := range []string{"a", "b", "a"} { // one was sent twice
		txn := &Txn{StartTs: 10, Primary: []byte("a"), Mutations: []Mutation{{Key: []byte(key), Value: []byte("new " + key), Old: []byte("old"), Schema: 7}}}
		if err := s.Prewritten(txn); err != nil {
			t.Fatal(err)
		}
	}
	commit(t, s, 10, 15, "a")
	advance(t, s, 20, 20)
	expect(t, changes(t, s, 0), "15 a b")
}

func TestRecoverAsksTheDatabase(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir, 1, nil)
	prewrite(t, s, 10, "a", "b")
	commit(t, s, 10, 11, "a")
	advance(t, s, 12, 12)
	prewrite(t, s, 20, "c") // never tried to commit
	prewrite(t, s, 30, "d", "e", "f")
	committing(t, s, 30, 35, "d")
	prewrite(t, s, 31, "g")
	committing(t, s, 31, 33, "g")
	prewrite(t, s, 40, "h")
	committing(t, s, 40, 41, "h")

	s = openStore(t, dir, 50, map[string]string{
		"c": "old", "d": "new d", "e": "new e", "f": "old", // torn by the crash
		"g": "new g", "h": "old",
	})
	expect(t, changes(t, s, 0), "11 a b", "33 g", "35 d e")
	if got, _ := s.Resolved(); got != 50 {
		t.Errorf("resolved %d", got)
	}
	s = openStore(t, dir, 60, nil)
	expect(t, changes(t, s, 0), "11 a b", "33 g", "35 d e")
}

// The row is back at its old value, which says nothing about the first two.
func TestRecoverFollowsTheWritesOfARow(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir, 1, nil)
	for i, step := range []struct {
		old, value string
		happens    bool
	}{
		{"x", "y", true}, {"y", "z", false}, {"y", "z", true}, {"z", "z", true}, {"z", "x", true}, {"x", "q", false},
	} {
		startTs := uint64(10 * (i + 1))
		err := s.Prewritten(&Txn{StartTs: startTs, Primary: []byte("k"), Mutations: []Mutation{
			{Key: []byte("k"), Old: []byte(step.old), Value: []byte(step.value)},
		}})
		if err != nil {
			t.Fatal(err)
		}
		committing(t, s, startTs, startTs+1, "k")
		if !step.happens {
			s.RolledBack(startTs, bytesOf([]string{"k"}))
		}
	}
	s = openStore(t, dir, 100, map[string]string{"k": "x"})
	r := s.Reader(0)
	defer r.Close()
	var got []string
	for txn, err := r.Next(); err == nil; txn, err = r.Next() {
		got = append(got, strconv.FormatUint(txn.CommitTs, 10)+string(txn.Mutations[0].Value))
	}
	expect(t, got, "11y", "31z", "41z", "51x")
}

func TestNewestOutlivesARestart(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir, 100, nil)
	advance(t, s, 200, 200)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if s.Newest() != 200 || s.Floor() != 100 {
		t.Errorf("newest %d, floor %d", s.Newest(), s.Floor())
	}
}

func TestUndecidedListsOldTransactions(t *testing.T) {
	s := openStore(t, t.TempDir(), 1, nil)
	prewrite(t, s, 10, "a")
	if list := s.Undecided(time.Hour); len(list) != 0 {
		t.Errorf("got %v", list)
	}
	list := s.Undecided(0)
	if len(list) != 1 || list[0].StartTs != 10 || string(list[0].Primary) != "a" {
		t.Errorf("got %v", list)
	}
}

func FuzzDecodeTxn(f *testing.F) {
	txn := &Txn{StartTs: 1, CommitTs: 2, Primary: []byte("p"), Mutations: []Mutation{{Key: []byte("k"), Value: []byte("v"), Schema: 3}}}
	f.Add(txn.encode())
	f.Fuzz(func(t *testing.T, data []byte) {
		decoded, err := decodeTxn(data)
		if err != nil {
			return
		}
		again, err := decodeTxn(decoded.encode())
		if err != nil || again.StartTs != decoded.StartTs || len(again.Mutations) != len(decoded.Mutations) {
			t.Errorf("%+v: %v", again, err)
		}
	})
}
