package seglog

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
)

// load lists the segments and cuts a torn tail off the newest.
func (l *Log) load() error {
	entries, err := os.ReadDir(l.dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), ".log")
		if !ok {
			continue
		}
		first, err := strconv.ParseUint(name, 10, 64)
		if err != nil {
			return fmt.Errorf("segment %s: its name is not an id", e.Name())
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		l.segments = append(l.segments, segment{first: first, size: info.Size()})
	}
	slices.SortFunc(l.segments, func(a, b segment) int {
		if a.first < b.first {
			return -1
		}
		return 1
	})
	return l.openNewest()
}

// openNewest prepares the newest segment for appending. Its intact records
// end where the first torn one begins; an empty one is removed.
func (l *Log) openNewest() error {
	for len(l.segments) > 0 {
		newest := &l.segments[len(l.segments)-1]
		end, last, err := scan(l.path(newest.first), newest.size)
		if err != nil {
			return err
		}
		if end > 0 {
			newest.size, l.lastID = end, last
			break
		}
		if err := os.Remove(l.path(newest.first)); err != nil {
			return err
		}
		l.segments = l.segments[:len(l.segments)-1]
	}
	if len(l.segments) == 0 {
		return nil
	}
	newest := l.segments[len(l.segments)-1]
	if err := os.Truncate(l.path(newest.first), newest.size); err != nil {
		return err
	}
	f, err := os.OpenFile(l.path(newest.first), os.O_WRONLY|os.O_APPEND, 0o644)
	l.active = f
	return err
}

// scan returns the end of the last intact record and its ID. A killed write
// leaves a record too short; anything else that is wrong is damage.
func scan(path string, size int64) (end int64, last uint64, err error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, 0, err
	}
	defer f.Close()
	r := newRecordReader(f, size)
	for {
		rec, err := r.next()
		switch {
		case err == nil:
			end, last = r.offset, rec.ID
		case err == io.EOF, errors.Is(err, errTorn):
			return end, last, nil
		default:
			return 0, 0, fmt.Errorf("segment %s: %w", path, err)
		}
	}
}
