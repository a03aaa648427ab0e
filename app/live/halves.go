package live

import (
	"errors"
	"fmt"

	"helfy/app/projection"
	"helfy/domain"
)

// maxHeld bounds how many deletions wait for their other half.
const maxHeld = 1000

// errLost says that records are missing.
var errLost = errors.New("records are missing")

// partitionReader makes entries of the records of one partition, in their
// order. An UPDATE of a unique column comes as a DELETE and an INSERT: a DELETE
// is kept until its other half comes, or the watermark that says that there is
// none.
type partitionReader struct {
	project projection.Audit
	// next is the offset of the next record.
	next int64
	held []read
}

// read is an entry that was made, and the offset of its (last) record.
type read struct {
	entry  domain.AuditEntry
	offset int64
}

// take returns the entries that are whole with this record, and whether it is
// a watermark. What cannot be understood is no entry: it is a dead letter of
// the consumer's.
func (p *partitionReader) take(record projection.Record) (whole []read, watermark bool, err error) {
	switch {
	case record.Offset < p.next:
		return nil, false, nil
	case record.Offset > p.next:
		return nil, false, fmt.Errorf("%w: %s follows offset %d", errLost, record, p.next-1)
	}
	p.next++
	_, item := projection.Project(p.project, record)
	if item.Watermark != 0 {
		return p.release(item.Watermark), true, nil
	}
	for _, entry := range item.Rows {
		switch {
		case isDeletion(entry):
			if len(p.held) >= maxHeld {
				whole = append(whole, p.release(^uint64(0))...)
			}
			p.held = append(p.held, read{entry, record.Offset})
		case entry.Old == nil:
			whole = append(whole, read{p.join(entry), record.Offset})
		default:
			whole = append(whole, read{entry, record.Offset})
		}
	}
	return whole, false, nil
}

func isDeletion(e domain.AuditEntry) bool {
	return e.Source == domain.SourceChange && e.DDLType == "" && e.New == nil
}

// join gives an INSERT the row that was deleted in its place, if there is one.
func (p *partitionReader) join(entry domain.AuditEntry) domain.AuditEntry {
	for i, half := range p.held {
		if half.entry.ID() == entry.ID() {
			entry.Old = half.entry.Old
			p.held = append(p.held[:i], p.held[i+1:]...)
			break
		}
	}
	return entry
}

// release returns the deletions that have no other half, as the watermark says.
func (p *partitionReader) release(watermark uint64) []read {
	var whole, held []read
	for _, half := range p.held {
		if half.entry.CommitTs <= watermark {
			whole = append(whole, half)
		} else {
			held = append(held, half)
		}
	}
	p.held = held
	return whole
}

// resume returns from where the partition must be read again to miss nothing
// that was not whole yet.
func (p *partitionReader) resume() int64 {
	resume := p.next
	for _, half := range p.held {
		resume = min(resume, half.offset)
	}
	return resume
}
