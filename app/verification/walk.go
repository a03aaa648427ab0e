package verification

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"

	"helfy/app/projection"
	"helfy/domain"
)

// Walk goes through the topics in the order of commits. The entries are those
// of the audit log, each once, because they are made by the same function.
//
// It always reads on in the partition whose watermark is lowest, so it holds
// about as many entries as came between two watermarks, a second of traffic.
type Walk struct {
	Topics     Topics
	Projection projection.Projection[domain.AuditEntry]
	Progress   Progress // may be nil
}

// The bounds of what a walk remembers.
const (
	maxFaults = 10_000
	maxLate   = 100_000
)

// Walked is what a walk has seen.
type Walked struct {
	// Through is the least watermark over all partitions: every entry up to
	// it has been given out. What is above it was not judged.
	Through uint64
	Records int64
	Entries int64
	// Repeats were left out: TiCDC sends rows again after a restart.
	Repeats int64
	// Above counts the entries beyond Through.
	Above int64
	// Faults are the first 10,000 that were met, FaultCount counts all.
	Faults     []Fault
	FaultCount int64
}

// ErrNoWatermark says that a partition has no watermark, so that no entry can
// be judged.
var ErrNoWatermark = errors.New("no watermark")

// Run reads everything. It gives the entries up to the least watermark, all of
// one commitTs at a time, in order, to the function that begin returns. When
// an entry turns up that the watermark had already passed, Run begins anew and
// puts it where it belongs, as the audit log does. It ends with ctx, with the
// first error of that function, or with one that names the partition.
func (w Walk) Run(ctx context.Context, begin func() func([]domain.AuditEntry) error) (Walked, error) {
	var late []domain.AuditEntry
	for {
		run := &run{walk: w, take: begin(), merge: newMerge(), total: Size(w.Topics)}
		for _, entry := range late {
			if err := run.merge.add(entry); errors.Is(err, errTooManyPending) {
				return Walked{}, err
			}
		}
		if err := run.all(ctx); err != nil {
			return Walked{}, err
		}
		if len(run.late) == 0 {
			return run.walked, nil
		}
		// Each round finds entries that the one before did not know.
		late = append(late, run.late...)
		if len(late) > maxLate {
			return Walked{}, fmt.Errorf("more than %d entries came after their watermark, the first at %s[%d]@%d",
				maxLate, late[0].Topic, late[0].Partition, late[0].Offset)
		}
	}
}

// run is one round through the topics.
type run struct {
	walk   Walk
	take   func([]domain.AuditEntry) error
	merge  *merge
	states []state
	total  int64
	late   []domain.AuditEntry
	walked Walked
	// ceiling is the least watermark of the partitions that have ended:
	// nothing above it can be judged any more.
	ceiling uint64
}

// state is how far one partition has been read.
type state struct {
	projection.Partition
	next      int64 // the offset that is expected
	watermark uint64
	ended     bool
}

func (r *run) all(ctx context.Context) (err error) {
	reader, err := r.walk.Topics.Read(ctx)
	if err != nil {
		return fmt.Errorf("begin to read the topics: %w", err)
	}
	defer func() { err = errors.Join(err, reader.Close()) }()
	r.ceiling = math.MaxUint64
	for _, p := range r.walk.Topics.Partitions() {
		r.states = append(r.states, state{Partition: p, next: p.Earliest})
		if p.Earliest > 0 {
			r.fault(p, 0, fmt.Sprintf("offsets 0 to %d are gone by retention", p.Earliest-1), "")
		}
	}
	for {
		i := r.lowest()
		if i < 0 {
			break
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := r.step(reader, i); err != nil {
			return err
		}
	}
	return r.finish()
}

// lowest returns the partition to read on in, -1 when all have ended.
func (r *run) lowest() int {
	lowest := -1
	for i, s := range r.states {
		if !s.ended && (lowest < 0 || s.watermark < r.states[lowest].watermark) {
			lowest = i
		}
	}
	return lowest
}

// through returns the least watermark.
func (r *run) through() uint64 {
	least := r.ceiling
	for _, s := range r.states {
		least = min(least, s.watermark)
	}
	return least
}

// step reads one record of a partition.
func (r *run) step(reader Reader, i int) error {
	s := &r.states[i]
	record, err := reader.Next(i)
	if errors.Is(err, io.EOF) {
		r.missing(s, s.End)
		s.ended = true
		r.ceiling = min(r.ceiling, s.watermark)
		return nil
	}
	if err != nil {
		return fmt.Errorf("read %s at offset %d: %w", s.Partition, s.next, err)
	}
	r.missing(s, record.Offset)
	s.next = record.Offset + 1
	r.walked.Records++
	if r.walk.Progress != nil {
		r.walk.Progress(r.walked.Records, r.total)
	}
	_, item := projection.Project(r.walk.Projection, record)
	if item.DeadLetter != "" {
		r.fault(s.Partition, record.Offset, item.DeadLetter, record.Digest())
		return nil
	}
	for _, entry := range item.Rows {
		if err := r.add(s.Partition, entry); err != nil {
			return fmt.Errorf("read %s: %w", record, err)
		}
	}
	if item.Watermark > s.watermark {
		s.watermark = item.Watermark
		return r.release()
	}
	return nil
}

func (r *run) missing(s *state, found int64) {
	switch {
	case found == s.next+1:
		r.fault(s.Partition, s.next, "the record is missing", "")
	case found > s.next:
		r.fault(s.Partition, s.next, fmt.Sprintf("offsets %d to %d are missing", s.next, found-1), "")
	}
}

func (r *run) fault(p projection.Partition, offset int64, reason, digest string) {
	r.walked.FaultCount++
	if len(r.walked.Faults) < maxFaults {
		r.walked.Faults = append(r.walked.Faults, Fault{p.Topic, p.Partition, offset, reason, digest})
	}
}

func (r *run) add(p projection.Partition, entry domain.AuditEntry) error {
	if entry.CommitTs > r.ceiling {
		r.walked.Above++
		return nil
	}
	err := r.merge.add(entry)
	switch {
	case errors.Is(err, errRepeat):
		r.walked.Repeats++
	case errors.Is(err, errDiffers):
		r.fault(p, entry.Offset, err.Error(), "")
	case errors.Is(err, errLate):
		if len(r.late) <= maxLate {
			r.late = append(r.late, entry)
		}
	default:
		return err
	}
	return nil
}

// release gives out what no partition can add to any more. A round that has
// met a late entry is read to its end for others, but judges nothing.
func (r *run) release() error {
	return r.merge.release(r.through(), func(entries []domain.AuditEntry) error {
		if len(r.late) > 0 {
			return nil
		}
		r.walked.Entries += int64(len(entries))
		return r.take(entries)
	})
}

func (r *run) finish() error {
	for _, s := range r.states {
		if s.watermark == 0 {
			return fmt.Errorf("%s: %w in it: nothing can be judged", s.Partition, ErrNoWatermark)
		}
	}
	if err := r.release(); err != nil {
		return err
	}
	r.walked.Through = r.through()
	r.walked.Above += int64(len(r.merge.order))
	return nil
}
