package query

import (
	"context"

	"helfy/domain"
)

// FindingPosition is a place among the findings, between two of them.
type FindingPosition struct {
	CommitTs uint64             `json:"c"`
	Table    string             `json:"t"`
	RowKey   string             `json:"k"`
	Kind     domain.FindingKind `json:"f"`
}

// FindingFilter chooses findings; its zero value chooses all.
type FindingFilter struct {
	Kind     domain.FindingKind
	UserID   domain.UserID
	CommitTs uint64
}

// Finding is something wrong with the trail, with the rows of the entry that
// shows it.
type Finding struct {
	domain.Finding
	// Old and New are those of the entry.
	Old, New []byte
}

// FindingsPage is a part of the findings, the newest commit first.
type FindingsPage struct {
	Findings []Finding
	// Next continues after the last finding; nil at the end.
	Next *FindingPosition
	// VerifiedThrough is the TSO up to which the log is verified, 0 before
	// the first time and when verification began anew.
	VerifiedThrough uint64
}

// Findings reads what is wrong with the trail.
type Findings interface {
	// Findings returns at most limit chosen findings older than before, the
	// newest commit first, or the newest ones when before is nil.
	Findings(ctx context.Context, filter FindingFilter, before *FindingPosition, limit int) ([]Finding, error)
	// VerifiedThrough returns the TSO up to which the log is verified.
	VerifiedThrough(ctx context.Context) (uint64, error)
}

// ListFindings reads pages of findings. It is safe for concurrent use.
type ListFindings struct{ Findings Findings }

// Handle returns the page of at most limit chosen findings before a position.
func (l ListFindings) Handle(ctx context.Context, filter FindingFilter, before *FindingPosition, limit int) (FindingsPage, error) {
	// Read first: it must not promise more than the findings read after it.
	through, err := l.Findings.VerifiedThrough(ctx)
	if err != nil {
		return FindingsPage{}, err
	}
	found, err := l.Findings.Findings(ctx, filter, before, limit+1)
	if err != nil {
		return FindingsPage{}, err
	}
	page := FindingsPage{Findings: found, VerifiedThrough: through}
	if len(found) > limit {
		page.Findings = found[:limit]
		last := page.Findings[limit-1]
		page.Next = &FindingPosition{CommitTs: last.CommitTs, Table: last.Table, RowKey: last.RowKey, Kind: last.Kind}
	}
	return page, nil
}
