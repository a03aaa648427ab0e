package storage_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/pingcap/tidb/pkg/kv"
	"github.com/tikv/client-go/v2/tikv"

	"helfy/devstack/storage"
)

func openStorage(t *testing.T) kv.Storage {
	t.Helper()
	store, err := storage.Open(t.TempDir(), func(inner tikv.Client) tikv.Client { return inner })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	return store
}

func write(t *testing.T, store kv.Storage, values map[string]string) {
	t.Helper()
	if err := commit(t.Context(), store, values); err != nil {
		t.Fatal(err)
	}
}

// commit commits keys with their values; those with an empty value are deleted.
func commit(ctx context.Context, store kv.Storage, values map[string]string) error {
	txn, err := store.Begin()
	if err != nil {
		return err
	}
	for key, value := range values {
		if value == "" {
			err = txn.Delete(kv.Key(key))
		} else {
			err = txn.Set(kv.Key(key), []byte(value))
		}
		if err != nil {
			return err
		}
	}
	return txn.Commit(kv.WithInternalSourceType(ctx, kv.InternalTxnOthers))
}

func snapshot(t *testing.T, store kv.Storage) kv.Snapshot {
	t.Helper()
	version, err := store.CurrentVersion(kv.GlobalTxnScope)
	if err != nil {
		t.Fatal(err)
	}
	return store.GetSnapshot(version)
}

// scan reads the keys in [from, to) and their values.
func scan(t *testing.T, s kv.Snapshot, from, to string, downwards bool) []string {
	t.Helper()
	iterate := func() (kv.Iterator, error) { return s.Iter(kv.Key(from), kv.Key(to)) }
	if downwards {
		iterate = func() (kv.Iterator, error) { return s.IterReverse(kv.Key(to), kv.Key(from)) }
	}
	it, err := iterate()
	if err != nil {
		t.Fatal(err)
	}
	defer it.Close()
	var list []string
	for it.Valid() {
		list = append(list, string(it.Key())+"="+string(it.Value()))
		if err := it.Next(); err != nil {
			t.Fatal(err)
		}
	}
	return list
}

func TestAScanSeesItsSnapshotInBothDirections(t *testing.T) {
	store := openStorage(t)
	before, after := map[string]string{}, map[string]string{}
	var want []string
	for i := range 600 { // more than one request scans
		key := fmt.Sprintf("t%04d", 2*i)
		before[key] = "old"
		want = append(want, key+"=old")
		after[key] = "new"
		if i%3 == 0 {
			after[key] = ""
		}
		after[fmt.Sprintf("t%04d", 2*i+1)] = "added"
	}
	write(t, store, before)
	snap := snapshot(t, store)
	write(t, store, after)

	if got := scan(t, snap, "t", "u", false); !slices.Equal(got, want) {
		t.Errorf("upwards %d keys: %v", len(got), got)
	}
	got := scan(t, snap, "t", "u", true)
	slices.Reverse(got)
	if !slices.Equal(got, want) {
		t.Errorf("downwards %d keys: %v", len(got), got)
	}
	if got := scan(t, snap, "t0100", "t0104", true); !slices.Equal(got, []string{"t0102=old", "t0100=old"}) {
		t.Errorf("a part downwards: %v", got)
	}
}

// Every transaction writes or deletes an index entry and its row, so that
// reads at one TSO find the same of either, however they are made and whatever
// commits meanwhile.
func TestReadsAtOneTSOAgree(t *testing.T) {
	const writers, keys, transactions = 4, 50, 200
	store := openStorage(t)
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for n := range transactions {
				id, value := fmt.Sprintf("%03d", w*keys+n%keys), "x"
				if n/keys%2 == 1 {
					value = ""
				}
				if err := commit(t.Context(), store, map[string]string{"ti" + id: value, "tr" + id: value}); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	written := make(chan struct{})
	go func() { wg.Wait(); close(written) }()
	for reading := true; reading; {
		select {
		case <-written:
			reading = false
		default:
		}
		snap := snapshot(t, store)
		upwards := ids(scan(t, snap, "tr", "ts", false))
		downwards := ids(scan(t, snap, "ti", "tj", true))
		slices.Reverse(downwards)
		if !slices.Equal(upwards, downwards) {
			t.Errorf("rows %v, index entries downwards %v", upwards, downwards)
		}
		of := make([]kv.Key, len(downwards))
		for i, id := range downwards {
			of[i] = kv.Key("tr" + id)
		}
		rows, err := snap.BatchGet(t.Context(), of)
		if err != nil {
			t.Fatal(err)
		}
		if len(rows) != len(of) {
			t.Errorf("%d index entries, %d of their rows", len(of), len(rows))
		}
	}
}

func ids(pairs []string) []string {
	list := make([]string, len(pairs))
	for i, pair := range pairs {
		list[i] = pair[len("ti"):strings.Index(pair, "=")]
	}
	return list
}
