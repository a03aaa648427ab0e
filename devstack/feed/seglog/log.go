// Package seglog keeps records in an append-only log of segment files.
//
// A record that Append has accepted survives a kill -9 of the process (it has
// been handed to the operating system), not a power failure. What a killed
// process left half-written at the end of the newest segment is cut off when
// the log is opened; a damaged record anywhere else is an error.
package seglog

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
)

// ErrRemoved says that the records asked for have been removed by DropBefore.
var ErrRemoved = errors.New("the records are no longer in the log")

// Record is one entry. IDs never decrease along the log.
type Record struct {
	ID   uint64
	Data []byte
}

// Log is safe for concurrent use by one process; nothing guards the folder
// against a second one.
type Log struct {
	dir         string
	segmentSize int64

	mu       sync.RWMutex
	segments []segment
	active   *os.File
	lastID   uint64
	failed   error
}

// segment is one file; first is the ID of its first record and its name.
type segment struct {
	first uint64
	size  int64
}

// Open reads the log in dir, creating the folder when missing. A segment that
// has reached segmentSize bytes is followed by a new one.
func Open(dir string, segmentSize int64) (*Log, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("create log folder: %w", err)
	}
	l := &Log{dir: dir, segmentSize: segmentSize}
	if err := l.load(); err != nil {
		return nil, fmt.Errorf("open log %s: %w", dir, err)
	}
	return l, nil
}

// Append writes the records with one write. After a failed write the log
// accepts no more, because the file's end is unknown until it is opened again.
func (l *Log) Append(records ...Record) error {
	if len(records) == 0 {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failed != nil {
		return l.failed
	}
	buf, last := []byte(nil), l.lastID
	for _, r := range records {
		if r.ID < last {
			return fmt.Errorf("append to log: id %d after %d", r.ID, last)
		}
		buf, last = appendRecord(buf, r), r.ID
	}
	if err := l.rotate(records[0].ID); err != nil {
		return err
	}
	if _, err := l.active.Write(buf); err != nil {
		l.failed = fmt.Errorf("append to log: %w", err)
		return l.failed
	}
	l.segments[len(l.segments)-1].size += int64(len(buf))
	l.lastID = last
	return nil
}

// rotate makes sure that there is an active segment with room, starting a new
// one at id when needed. Equal IDs are never spread over two segments.
func (l *Log) rotate(id uint64) error {
	if n := len(l.segments); l.active != nil && (l.segments[n-1].size < l.segmentSize || id == l.lastID) {
		return nil
	}
	f, err := os.OpenFile(l.path(id), os.O_CREATE|os.O_EXCL|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return fmt.Errorf("start log segment: %w", err)
	}
	if err := l.closeActive(); err != nil {
		f.Close()
		return err
	}
	l.active = f
	l.segments = append(l.segments, segment{first: id})
	return nil
}

// LastID is the ID of the newest record, 0 when there never was one.
func (l *Log) LastID() uint64 {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.lastID
}

// DropBefore removes the segments that hold no record with an ID of id or
// more. The newest segment always stays.
func (l *Log) DropBefore(id uint64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.segments) > 1 && l.segments[1].first <= id {
		if err := os.Remove(l.path(l.segments[0].first)); err != nil {
			return fmt.Errorf("remove log segment: %w", err)
		}
		l.segments = l.segments[1:]
	}
	return nil
}

// Clear removes every record; LastID stays.
func (l *Log) Clear() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.closeActive(); err != nil {
		return err
	}
	for len(l.segments) > 0 {
		if err := os.Remove(l.path(l.segments[0].first)); err != nil {
			return fmt.Errorf("remove log segment: %w", err)
		}
		l.segments = l.segments[1:]
	}
	return nil
}

// Close ends the log. Readers keep what they have open until they are closed.
func (l *Log) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failed = errors.New("the log is closed")
	return l.closeActive()
}

func (l *Log) closeActive() error {
	if l.active == nil {
		return nil
	}
	err := l.active.Close()
	l.active = nil
	if err != nil {
		return fmt.Errorf("close log segment: %w", err)
	}
	return nil
}

func (l *Log) path(first uint64) string {
	return filepath.Join(l.dir, fmt.Sprintf("%020d.log", first))
}
