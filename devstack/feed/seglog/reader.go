package seglog

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// Reader reads the records in order and follows the log as it grows. It is
// not safe for concurrent use.
type Reader struct {
	log   *Log
	from  uint64
	first uint64 // of the open segment
	file  *os.File
	in    *recordReader
}

// Reader starts at the first record with an ID of from or more.
func (l *Log) Reader(from uint64) *Reader { return &Reader{log: l, from: from} }

// Next returns the next record, or io.EOF when it has returned all that there
// are; a later call returns what has been appended meanwhile.
func (r *Reader) Next() (Record, error) {
	for {
		if r.in == nil {
			if err := r.open(); err != nil {
				return Record{}, err
			}
		}
		// The next segment is looked up before the end of this one, so that
		// nothing appended in between is passed over.
		next, more := r.grow()
		rec, err := r.in.next()
		switch {
		case err == nil && rec.ID < r.from:
		case err == nil:
			return rec, nil
		case err == io.EOF && more:
			r.from = max(r.from, next)
			if err := r.Close(); err != nil {
				return Record{}, err
			}
		case err == io.EOF:
			return Record{}, io.EOF
		default:
			return Record{}, fmt.Errorf("segment %d: %w", r.first, err)
		}
	}
}

// open opens the segment that holds r.from: the last one that starts at or
// before it, or else the oldest.
func (r *Reader) open() error {
	r.log.mu.RLock()
	defer r.log.mu.RUnlock()
	segments := r.log.segments
	if len(segments) == 0 {
		return io.EOF
	}
	at := 0
	for i, s := range segments {
		if s.first <= r.from {
			at = i
		}
	}
	f, err := os.Open(r.log.path(segments[at].first))
	if errors.Is(err, fs.ErrNotExist) {
		return ErrRemoved
	}
	if err != nil {
		return fmt.Errorf("open log segment: %w", err)
	}
	r.file, r.first, r.in = f, segments[at].first, newRecordReader(f, segments[at].size)
	return nil
}

// grow moves the limit to the segment's current end and returns the ID at
// which the next segment starts, if there is one.
func (r *Reader) grow() (next uint64, more bool) {
	r.log.mu.RLock()
	defer r.log.mu.RUnlock()
	for i, s := range r.log.segments {
		if s.first > r.first {
			return s.first, true
		}
		if s.first == r.first {
			r.in.tail.limit = s.size
			if i+1 < len(r.log.segments) {
				return r.log.segments[i+1].first, true
			}
		}
	}
	return 0, false
}

// Close releases the reader's file.
func (r *Reader) Close() error {
	if r.file == nil {
		return nil
	}
	err := r.file.Close()
	r.file, r.in = nil, nil
	return err
}
