package query

import (
	"context"
	"time"

	"helfy/domain"
)

// MaxAuditPage is the greatest number of entries in one page.
const MaxAuditPage = 500

// AuditPosition is a place in the audit log, between two entries.
type AuditPosition struct {
	CommitTs uint64 `json:"c"`
	Table    string `json:"t"`
	RowKey   string `json:"k"`
}

// AuditPage is a part of the audit log, newest entry first.
type AuditPage struct {
	Entries []domain.AuditEntry
	// Next continues after the last entry; nil at the end of the log.
	Next *AuditPosition
	// CompleteThrough is the TSO up to which the log has every change and
	// every event but for dead letters, 0 when that is not known yet.
	CompleteThrough uint64
}

// AuditLog reads the audit projection.
type AuditLog interface {
	// Entries returns at most limit entries older than before, newest first,
	// or the newest ones when before is nil.
	Entries(ctx context.Context, before *AuditPosition, limit int) ([]domain.AuditEntry, error)
	// CompleteThrough returns the least watermark over all partitions, 0 if
	// any partition has none yet.
	CompleteThrough(ctx context.Context) (uint64, error)
}

// ListAudit reads pages of the audit log. It is safe for concurrent use.
type ListAudit struct{ Log AuditLog }

// Handle returns the page of 1 to MaxAuditPage entries before a position.
func (l ListAudit) Handle(ctx context.Context, before *AuditPosition, limit int) (AuditPage, error) {
	// The watermark is read first: it must not promise more than the entries
	// that are read after it.
	through, err := l.Log.CompleteThrough(ctx)
	if err != nil {
		return AuditPage{}, err
	}
	entries, err := l.Log.Entries(ctx, before, limit+1)
	if err != nil {
		return AuditPage{}, err
	}
	page := AuditPage{Entries: entries, CompleteThrough: through}
	if len(entries) > limit {
		page.Entries = entries[:limit]
		last := page.Entries[limit-1]
		page.Next = &AuditPosition{CommitTs: last.CommitTs, Table: last.Table, RowKey: last.RowKey}
	}
	return page, nil
}

// CompleteThroughTime returns the time up to which a log that is complete
// through the TSO is complete, nil for 0. Other commits may share the TSO's
// own millisecond, so it is the one before.
func CompleteThroughTime(ts uint64) *time.Time {
	if ts == 0 {
		return nil
	}
	t := domain.TimeOfTSO(ts).Add(-time.Millisecond)
	return &t
}
