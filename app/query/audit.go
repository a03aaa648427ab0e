package query

import (
	"context"
	"slices"
	"strings"
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

// AuditFilter chooses entries; its zero value chooses all but those that tell
// who has read the log.
type AuditFilter struct {
	UserID    domain.UserID
	Username  string // exactly
	EventType domain.EventType
	// EventTypes, unless empty, leaves events of other types out, and changes.
	EventTypes []domain.EventType
	Operation  string
	Table      string
	Source     domain.Source
	IP         string
	// From and To bound the commit's time: from From, before To.
	From, To time.Time
	// Reads also chooses the events of type domain.AuditRead, which are left
	// out unless EventType asks for them.
	Reads bool
}

// Matches reports whether the filter chooses an entry, but for its times.
func (f AuditFilter) Matches(e domain.AuditEntry) bool {
	operation := ""
	if e.Source == domain.SourceChange {
		operation = e.Operation()
	}
	return (f.Reads || f.EventType != "" || e.EventType != domain.AuditRead) &&
		(len(f.EventTypes) == 0 || slices.Contains(f.EventTypes, e.EventType)) &&
		chooses(f.UserID, e.UserID) && chooses(f.Username, e.Username) && chooses(f.EventType, e.EventType) &&
		chooses(f.Operation, operation) && chooses(f.Table, e.Table) && chooses(f.Source, e.Source) && chooses(f.IP, e.IP)
}

// MatchesFinding reports whether a finding is about what the filter chooses: a
// user or a table. Nothing else of a filter says anything of findings.
func (f AuditFilter) MatchesFinding(found domain.Finding) bool {
	return chooses(f.UserID, found.UserID) && chooses(f.Username, found.Username) && chooses(f.Table, found.Table)
}

// chooses reports whether a part of a filter that may be unset chooses a value.
func chooses[T comparable](wanted, value T) bool {
	var unset T
	return wanted == unset || wanted == value
}

// outboxTable is the table of every event.
const outboxTable = "outbox"

// ChoosesNothing reports whether the conditions exclude each other: a change
// has neither a type nor an address, an event has no operation and is in the
// outbox.
func (f AuditFilter) ChoosesNothing() bool {
	events := f.EventType != "" || len(f.EventTypes) > 0 || f.IP != "" || f.Source == domain.SourceEvent
	// TiDB does not compare spaces at the end.
	table := strings.TrimRight(f.Table, " ")
	changes := f.Operation != "" || f.Source == domain.SourceChange || table != "" && table != outboxTable
	return events && changes
}

// AuditPage is a part of the audit log, newest entry first.
type AuditPage struct {
	Entries []domain.AuditEntry
	// Next continues after the last entry; nil at the end of the log.
	Next *AuditPosition
	// CompleteThrough is the TSO up to which the log has every change and
	// every event but for dead letters and gaps, 0 when that is not known yet.
	CompleteThrough uint64
	// DeadLetters is how many records could not be understood and were neither
	// retried nor waived: what they say is missing, most likely below
	// CompleteThrough.
	DeadLetters int64
	Gaps        []Gap
}

// AuditLog reads the audit projection.
type AuditLog interface {
	// Entries returns at most limit chosen entries older than before, newest
	// first, or the newest ones when before is nil.
	Entries(ctx context.Context, filter AuditFilter, before *AuditPosition, limit int) ([]domain.AuditEntry, error)
	// Transaction returns the entries of one commitTs, at most limit.
	Transaction(ctx context.Context, commitTs uint64, limit int) ([]domain.AuditEntry, error)
	// CompleteThrough returns how far the log is confirmed to be complete, 0
	// if it never was. It is never less than before.
	CompleteThrough(ctx context.Context) (uint64, error)
	// OpenDeadLetters returns how many dead letters the log has that nobody
	// has waived. It has all that CompleteThrough, called before, has passed.
	OpenDeadLetters(ctx context.Context) (int64, error)
}

// ListAudit reads pages of the audit log. It is safe for concurrent use.
type ListAudit struct {
	Log  AuditLog
	Gaps Gaps
}

// Handle returns the page of 1 to MaxAuditPage chosen entries before a
// position.
func (l ListAudit) Handle(ctx context.Context, filter AuditFilter, before *AuditPosition, limit int) (AuditPage, error) {
	// The watermark is read first: it must not promise more than the entries
	// that are read after it. So must the number of dead letters: one that is
	// retried meanwhile counts, or is an entry, or both.
	through, err := l.Log.CompleteThrough(ctx)
	if err != nil {
		return AuditPage{}, err
	}
	dead, err := l.Log.OpenDeadLetters(ctx)
	if err != nil {
		return AuditPage{}, err
	}
	entries, err := l.Log.Entries(ctx, filter, before, limit+1)
	if err != nil {
		return AuditPage{}, err
	}
	gaps, err := l.Gaps.Gaps(ctx)
	if err != nil {
		return AuditPage{}, err
	}
	entries, next := cutPage(entries, limit)
	return AuditPage{Entries: entries, Next: next, CompleteThrough: through, DeadLetters: dead, Gaps: gaps}, nil
}

// cutPage returns the first entries, at most limit, and the position behind
// them if there are more.
func cutPage(entries []domain.AuditEntry, limit int) ([]domain.AuditEntry, *AuditPosition) {
	if len(entries) <= limit {
		return entries, nil
	}
	return entries[:limit], PositionOf(entries[limit-1])
}

// PositionOf returns the position behind an entry.
func PositionOf(entry domain.AuditEntry) *AuditPosition {
	return &AuditPosition{CommitTs: entry.CommitTs, Table: entry.Table, RowKey: entry.RowKey}
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
