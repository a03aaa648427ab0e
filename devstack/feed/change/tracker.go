package change

import (
	"bytes"
	"slices"
	"time"
)

// tracker knows the transactions whose fate is open and those that committed
// but are not yet in commit order. Its owner serialises the calls.
type tracker struct {
	open      map[uint64]*pending // by start TSO
	committed []*pending
	resolved  uint64
}

type pending struct {
	Txn
	since time.Time
	seq   uint64 // of its first record in the intent log
}

// prewrite registers mutations, which may come in several parts and, after a
// retry, more than once.
func (t *tracker) prewrite(part *Txn, seq uint64, now time.Time) {
	p, ok := t.open[part.StartTs]
	if !ok {
		t.open[part.StartTs] = &pending{Txn: *part, since: now, seq: seq}
		return
	}
	p.add(part.Mutations)
}

func (p *pending) add(mutations []Mutation) {
	known := make(map[string]int, len(p.Mutations))
	for i, m := range p.Mutations {
		known[string(m.Key)] = i
	}
	for _, m := range mutations {
		if i, ok := known[string(m.Key)]; ok {
			p.Mutations[i] = m
			continue
		}
		p.Mutations = append(p.Mutations, m)
	}
}

func (t *tracker) commit(startTs, commitTs uint64) {
	p, ok := t.open[startTs]
	if !ok {
		return
	}
	delete(t.open, startTs)
	p.CommitTs = commitTs
	t.committed = append(t.committed, p)
}

func (t *tracker) rollback(startTs uint64) { delete(t.open, startTs) }

// isPrimary reports whether one of keys decides about the open transaction.
func (t *tracker) isPrimary(startTs uint64, keys [][]byte) bool {
	p, ok := t.open[startTs]
	return ok && slices.ContainsFunc(keys, func(k []byte) bool { return bytes.Equal(k, p.Primary) })
}

// advance returns the newest resolved TSO and, in commit order, the
// transactions up to it. now is a TSO that was fetched before the call, so
// that whoever is not registered yet will commit after it: a commit TSO is
// fetched after the prewrite, and an open transaction's is above its start.
func (t *tracker) advance(now uint64) (uint64, []*pending) {
	resolved := now
	for startTs := range t.open {
		resolved = min(resolved, startTs-1)
	}
	// A long transaction registers with a start TSO from the past, but will
	// commit above everything that was resolved before.
	t.resolved = max(t.resolved, resolved)
	slices.SortFunc(t.committed, func(a, b *pending) int {
		if a.CommitTs < b.CommitTs {
			return -1
		}
		return 1
	})
	n := 0
	for n < len(t.committed) && t.committed[n].CommitTs <= t.resolved {
		n++
	}
	ready := t.committed[:n:n]
	t.committed = slices.Clone(t.committed[n:])
	return t.resolved, ready
}

// oldestSeq is the first intent record that is still needed, or next.
func (t *tracker) oldestSeq(next uint64) uint64 {
	for _, p := range t.open {
		next = min(next, p.seq)
	}
	for _, p := range t.committed {
		next = min(next, p.seq)
	}
	return next
}
