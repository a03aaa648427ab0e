package change

import (
	"bytes"
	"fmt"
	"io"
)

// Latest returns the newest committed values of keys; a deleted key has none.
type Latest func(keys [][]byte) (map[string][]byte, error)

// Recover settles the transactions of the previous run, now being a fresh
// TSO. The database decides what has committed: of a transaction that the
// crash has torn apart exactly the rows that are there count. Nothing from
// before a restart can still commit, because the database keeps its locks in
// memory.
//
// A write has taken place when the next one of the same row, or latest, has
// found something else than the row's old value. The storage engine could be
// asked for the transaction instead, but after a crash it confuses the
// transactions that it had written together.
func (s *Store) Recover(now uint64, latest Latest) error {
	in, err := s.readIntents()
	if err != nil {
		return err
	}
	values, err := latest(in.keys())
	if err != nil {
		return fmt.Errorf("read the newest values: %w", err)
	}
	done := s.changes.LastID()
	for _, p := range in.txns {
		if p.CommitTs >= now {
			return fmt.Errorf("the clock is behind transaction %d of before the restart, committed at %d: try again in a moment", p.StartTs, p.CommitTs)
		}
		if p.CommitTs <= done {
			continue // not even tried, or in the change log
		}
		if p.Mutations = in.happened(p, values); len(p.Mutations) > 0 {
			s.tracker.committed = append(s.tracker.committed, p)
		}
	}
	if s.state.Floor == 0 {
		s.state.Floor = now
	}
	if err := s.Advance(now); err != nil {
		return err
	}
	if err := s.SaveState(); err != nil {
		return err
	}
	return s.intents.Clear()
}

// intents is what the intent log tells.
type intents struct {
	txns map[uint64]*pending // by start TSO
	// writes holds the writes of each key in the order of their prewrites,
	// hence of the locks.
	writes map[string][]write
}

type write struct {
	startTs uint64
	old     []byte
}

func (s *Store) readIntents() (*intents, error) {
	in := &intents{txns: map[uint64]*pending{}, writes: map[string][]write{}}
	r := s.intents.Reader(0)
	defer r.Close()
	for {
		rec, err := r.Next()
		if err == io.EOF {
			return in, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read intents: %w", err)
		}
		part, err := decodeTxn(rec.Data)
		if err != nil {
			return nil, fmt.Errorf("intent %d: %w", rec.ID, err)
		}
		in.add(part, rec.ID)
	}
}

func (in *intents) add(part *Txn, seq uint64) {
	p, ok := in.txns[part.StartTs]
	if !ok {
		p = &pending{Txn: *part, seq: seq}
		in.txns[part.StartTs] = p
	} else {
		p.add(part.Mutations)
	}
	p.CommitTs = max(p.CommitTs, part.CommitTs)
	for _, m := range part.Mutations {
		in.writes[string(m.Key)] = append(in.writes[string(m.Key)], write{startTs: part.StartTs, old: m.Old})
	}
}

func (in *intents) keys() [][]byte {
	keys := make([][]byte, 0, len(in.writes))
	for key := range in.writes {
		keys = append(keys, []byte(key))
	}
	return keys
}

// happened returns the mutations of p that the database has. Those that leave
// the row as it was share the fate of the others; without any other they are
// taken for done, as the commit was under way and they change nothing.
func (in *intents) happened(p *pending, latest map[string][]byte) []Mutation {
	var visible, idle []Mutation
	changes := 0
	for _, m := range p.Mutations {
		if bytes.Equal(m.Old, m.Value) {
			idle = append(idle, m)
			continue
		}
		changes++
		if !bytes.Equal(m.Old, in.after(p.StartTs, m.Key, latest)) {
			visible = append(visible, m)
		}
	}
	if changes > 0 && len(visible) == 0 {
		return nil
	}
	return append(visible, idle...)
}

// after is the row's value once the transaction was over.
func (in *intents) after(startTs uint64, key []byte, latest map[string][]byte) []byte {
	writes := in.writes[string(key)]
	for i := len(writes) - 1; i >= 0 && writes[i].startTs != startTs; i-- {
		if i > 0 && writes[i-1].startTs == startTs {
			return writes[i].old
		}
	}
	return latest[string(key)]
}
