package verification

import (
	"cmp"
	"container/heap"
	"errors"
	"fmt"
	"hash/maphash"

	"helfy/domain"
)

// maxPending bounds the entries that wait for a watermark.
const maxPending = 1 << 20

var errTooManyPending = fmt.Errorf("more than %d entries wait for a watermark", maxPending)

// identity is what names an entry.
type identity struct {
	commitTs uint64
	table    string
	rowKey   string
}

func identityOf(e domain.AuditEntry) identity { return identity{e.CommitTs, e.Table, e.RowKey} }

// halves are the fingerprints of an entry's old and new row, 0 for one that
// has not come.
type halves [2]uint32

// merge puts entries of several partitions into the order of their commits.
// It holds those above the watermark, and for the others a fingerprint of
// some 24 bytes each, by which a repeat is known. The fingerprints are salted,
// so that nobody can write a row that looks like the repeat of another.
type merge struct {
	seed     maphash.Seed
	seen     map[uint64]halves
	pending  map[identity]*domain.AuditEntry
	order    entryHeap
	released uint64 // every entry up to it has been given out
}

func newMerge() *merge {
	return &merge{seed: maphash.MakeSeed(), seen: map[uint64]halves{}, pending: map[identity]*domain.AuditEntry{}}
}

// The errors of add.
var (
	errRepeat = errors.New("repeat")
	// errDiffers is a repeat that says something else. The audit log keeps
	// what came first.
	errDiffers = errors.New("a record before it has the same table, key and commitTs and says something else")
	// errLate is a new entry that the watermark has already passed.
	errLate = errors.New("late")
)

// add takes an entry, or one half of a split update: the other half joins it.
// Its error is errRepeat, errDiffers, errLate or errTooManyPending.
func (m *merge) add(entry domain.AuditEntry) error {
	id := identityOf(entry)
	key := maphash.Comparable(m.seed, id)
	before := m.seen[key]
	came := halves{m.fingerprint(entry.Old), m.fingerprint(entry.New)}
	fresh := false
	for i := range came {
		switch {
		case came[i] != 0 && before[i] == 0:
			fresh = true
		case came[i] != 0 && before[i] != came[i]:
			return errDiffers
		}
	}
	if !fresh {
		return errRepeat
	}
	if entry.CommitTs <= m.released {
		return errLate
	}
	if len(m.order) >= maxPending {
		return errTooManyPending
	}
	m.seen[key] = halves{max(before[0], came[0]), max(before[1], came[1])}
	if held := m.pending[id]; held != nil {
		join(held, entry)
		return nil
	}
	m.pending[id] = &entry
	heap.Push(&m.order, &entry)
	return nil
}

// fingerprint returns 0 for a row that is not there, and never otherwise.
func (m *merge) fingerprint(row []byte) uint32 {
	if row == nil {
		return 0
	}
	return uint32(maphash.Bytes(m.seed, row)) | 1
}

// join adds the other half of a split update, as the audit log's table does:
// the coordinates stay those of the half that came first, and the row is
// called as it is after the change.
func join(held *domain.AuditEntry, half domain.AuditEntry) {
	if held.New == nil {
		held.Username, held.Seq = cmp.Or(half.Username, held.Username), cmp.Or(half.Seq, held.Seq)
		held.New = half.New
	}
	if held.Old == nil {
		held.Old = half.Old
	}
}

// release gives out the entries up to a watermark, all of one commitTs at a
// time.
func (m *merge) release(through uint64, take func([]domain.AuditEntry) error) error {
	m.released = max(m.released, through)
	for len(m.order) > 0 && m.order[0].CommitTs <= through {
		commit := m.order[0].CommitTs
		var entries []domain.AuditEntry
		for len(m.order) > 0 && m.order[0].CommitTs == commit {
			entry := heap.Pop(&m.order).(*domain.AuditEntry)
			delete(m.pending, identityOf(*entry))
			entries = append(entries, *entry)
		}
		if err := take(entries); err != nil {
			return err
		}
	}
	return nil
}

// entryHeap has the entry with the least commitTs first.
type entryHeap []*domain.AuditEntry

func (h entryHeap) Len() int           { return len(h) }
func (h entryHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h entryHeap) Less(i, j int) bool { return h[i].CommitTs < h[j].CommitTs }

// Push implements heap.Interface.
func (h *entryHeap) Push(x any) { *h = append(*h, x.(*domain.AuditEntry)) }

// Pop implements heap.Interface.
func (h *entryHeap) Pop() any {
	old := *h
	last := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return last
}
