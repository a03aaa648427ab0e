package change

import (
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"helfy/devstack/feed/atomicfile"
	"helfy/devstack/feed/seglog"
)

const segmentSize = 16 << 20

// Store is the change feed's memory. What was prewritten goes to the intent
// log; transactions that committed go to the change log, in commit order.
// It is safe for concurrent use.
type Store struct {
	dir     string
	intents *seglog.Log
	changes *seglog.Log
	kick    chan struct{}

	mu      sync.Mutex
	tracker tracker
	seq     uint64
	failed  error // of the intent log
	state   state
	moved   chan struct{} // closed when resolved advances
	// resolved trails tracker.resolved until the change log holds everything.
	resolved uint64

	advancing sync.Mutex
}

// state is what must outlive the process beside the logs, all in TSO.
type state struct {
	// Floor: the change log is complete above it.
	Floor uint64 `json:"floor"`
	// Clock: the newest resolved TSO that was recorded.
	Clock uint64 `json:"clock"`
}

// Open opens the store in dir. Before anything else the caller settles what a
// previous run left open, with Recover.
func Open(dir string) (*Store, error) {
	intents, err := seglog.Open(filepath.Join(dir, "intents"), segmentSize)
	if err != nil {
		return nil, err
	}
	changes, err := seglog.Open(filepath.Join(dir, "changes"), segmentSize)
	if err != nil {
		return nil, err
	}
	s := &Store{
		dir: dir, intents: intents, changes: changes, seq: intents.LastID(),
		kick: make(chan struct{}, 1), moved: make(chan struct{}),
		tracker: tracker{open: map[uint64]*pending{}},
	}
	if err := atomicfile.ReadJSON(s.statePath(), &s.state); err != nil {
		return nil, err
	}
	return s, nil
}

func (s *Store) statePath() string { return filepath.Join(s.dir, "state.json") }

// Newest is the highest TSO that the store has recorded. A clock that is
// behind it would give out commit TSOs a second time.
func (s *Store) Newest() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return max(s.state.Clock, s.state.Floor, s.changes.LastID())
}

// Prewritten records mutations durably, all or a part of the transaction's. It
// must return before the transaction can fetch a commit TSO.
func (s *Store) Prewritten(part *Txn) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.intend(part); err != nil {
		return fmt.Errorf("record prewrite of transaction %d: %w", part.StartTs, err)
	}
	s.tracker.prewrite(part, s.seq, time.Now())
	return nil
}

// Committing says that the keys are about to be committed. When the primary is
// among them that is recorded durably; it must return before the database is
// told.
func (s *Store) Committing(startTs, commitTs uint64, keys [][]byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.tracker.isPrimary(startTs, keys) {
		return nil
	}
	if err := s.intend(&Txn{StartTs: startTs, CommitTs: commitTs}); err != nil {
		return fmt.Errorf("record commit of transaction %d: %w", startTs, err)
	}
	return nil
}

// intend appends to the intent log. A failure stays: Advance returns it, so
// that the process ends with the cause, which TiDB would take for a broken
// connection to its storage and try again.
func (s *Store) intend(txn *Txn) error {
	s.seq++
	err := s.intents.Append(seglog.Record{ID: s.seq, Data: txn.encode()})
	if s.failed == nil {
		s.failed = err
	}
	return err
}

// Committed says that the keys were committed; it counts when the primary is
// among them.
func (s *Store) Committed(startTs, commitTs uint64, keys [][]byte) {
	s.settle(startTs, keys, func() { s.tracker.commit(startTs, commitTs) })
}

// RolledBack says that the keys were rolled back; it counts when the primary
// is among them.
func (s *Store) RolledBack(startTs uint64, keys [][]byte) {
	s.settle(startTs, keys, func() { s.tracker.rollback(startTs) })
}

func (s *Store) settle(startTs uint64, keys [][]byte, apply func()) {
	s.mu.Lock()
	settled := s.tracker.isPrimary(startTs, keys)
	if settled {
		apply()
	}
	s.mu.Unlock()
	if settled {
		select {
		case s.kick <- struct{}{}:
		default:
		}
	}
}

// Kicked receives when Advance has something to do.
func (s *Store) Kicked() <-chan struct{} { return s.kick }

// Undecided lists start TSO and primary of the transactions that have been
// open for longer than age.
func (s *Store) Undecided(age time.Duration) []Undecided {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []Undecided
	for _, p := range s.tracker.open {
		if open := time.Since(p.since); open > age {
			list = append(list, Undecided{StartTs: p.StartTs, Primary: p.Primary, Open: open})
		}
	}
	return list
}

// Undecided is a transaction whose outcome has not been seen.
type Undecided struct {
	StartTs uint64
	Primary []byte
	Open    time.Duration
}

// Advance moves the resolved TSO on. now is a TSO fetched before the call.
// After an error the store must not be used any more.
func (s *Store) Advance(now uint64) error {
	s.advancing.Lock()
	defer s.advancing.Unlock()
	s.mu.Lock()
	if s.failed != nil {
		s.mu.Unlock()
		return fmt.Errorf("record transactions: %w", s.failed)
	}
	resolved, ready := s.tracker.advance(now)
	needed := s.tracker.oldestSeq(s.seq + 1)
	s.mu.Unlock()

	records := make([]seglog.Record, len(ready))
	for i, p := range ready {
		records[i] = seglog.Record{ID: p.CommitTs, Data: p.encode()}
	}
	if err := s.changes.Append(records...); err != nil {
		return fmt.Errorf("record committed transactions: %w", err)
	}
	if len(ready) > 0 {
		if err := s.intents.DropBefore(needed); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if resolved > s.resolved {
		s.resolved = resolved
		close(s.moved)
		s.moved = make(chan struct{})
	}
	return nil
}

// Resolved returns the TSO up to which a Reader sees every commit, and a
// channel that is closed when it has moved on.
func (s *Store) Resolved() (uint64, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.resolved, s.moved
}

// SaveState records the resolved TSO, for Newest.
func (s *Store) SaveState() error {
	s.mu.Lock()
	s.state.Clock = max(s.state.Clock, s.resolved)
	state := s.state
	s.mu.Unlock()
	return atomicfile.WriteJSON(s.statePath(), state)
}

// Floor is the TSO above which the change log is complete.
func (s *Store) Floor() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state.Floor
}

// DropBefore gives up the transactions that committed up to ts.
func (s *Store) DropBefore(ts uint64) error {
	s.mu.Lock()
	s.state.Floor = max(s.state.Floor, ts)
	s.mu.Unlock()
	if err := s.SaveState(); err != nil {
		return err
	}
	return s.changes.DropBefore(ts + 1)
}

// Close releases the files. Nothing may be recorded afterwards.
func (s *Store) Close() error {
	return errors.Join(s.SaveState(), s.intents.Close(), s.changes.Close())
}

// Reader reads the transactions that committed after a TSO, in commit order.
type Reader struct{ in *seglog.Reader }

// Reader starts behind the TSO after.
func (s *Store) Reader(after uint64) *Reader {
	return &Reader{in: s.changes.Reader(after + 1)}
}

// Next returns the next transaction, or io.EOF when there is none yet.
func (r *Reader) Next() (*Txn, error) {
	rec, err := r.in.Next()
	if err != nil {
		return nil, err
	}
	t, err := decodeTxn(rec.Data)
	if err != nil {
		return nil, fmt.Errorf("transaction committed at %d: %w", rec.ID, err)
	}
	return t, nil
}

// Close releases the reader's file.
func (r *Reader) Close() error { return r.in.Close() }
