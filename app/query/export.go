package query

import (
	"context"
	"errors"
	"time"

	"helfy/domain"
)

// MaxExports is how many exports are read at once.
const MaxExports = 2

// exportTimeout bounds the read of one page of an export.
const exportTimeout = 10 * time.Second

// ErrExports says that MaxExports are read already.
var ErrExports = errors.New("as many exports as are allowed are under way")

// ExportAudit reads the whole of what a filter chooses. It is safe for
// concurrent use.
type ExportAudit struct {
	log   AuditLog
	slots chan struct{}
}

// NewExportAudit returns one that reads log.
func NewExportAudit(log AuditLog) ExportAudit {
	return ExportAudit{log: log, slots: make(chan struct{}, MaxExports)}
}

// Export is a walk through chosen entries, the newest first, beginning with
// the newest one at the call of Handle: what is committed later is not in it.
// It holds one page at a time. One goroutine uses it, and must Close it.
type Export struct {
	log    AuditLog
	filter AuditFilter
	page   []domain.AuditEntry
	before *AuditPosition
	close  func()
	// CompleteThrough is the TSO up to which the export has all that the
	// filter chooses but for dead letters and gaps, 0 when that is not known.
	CompleteThrough uint64
}

// Handle begins an export. Its errors are ErrExports and those of the database.
func (e ExportAudit) Handle(ctx context.Context, filter AuditFilter) (export *Export, err error) {
	select {
	case e.slots <- struct{}{}:
	default:
		return nil, ErrExports
	}
	export = &Export{log: e.log, filter: filter, close: func() { <-e.slots }}
	// Read first: it must not promise more than the entries read after it.
	if export.CompleteThrough, err = e.log.CompleteThrough(ctx); err == nil {
		err = export.read(ctx)
	}
	if err != nil {
		export.Close()
		return nil, err
	}
	return export, nil
}

// Next returns the next entries, none at the end. Its error is the database's:
// what was read until then is not all.
func (e *Export) Next(ctx context.Context) ([]domain.AuditEntry, error) {
	page := e.page
	if len(page) < MaxAuditPage {
		e.page = nil
		return page, nil
	}
	e.before = PositionOf(page[len(page)-1])
	return page, e.read(ctx)
}

func (e *Export) read(ctx context.Context) (err error) {
	ctx, cancel := context.WithTimeout(ctx, exportTimeout)
	defer cancel()
	e.page, err = e.log.Entries(ctx, e.filter, e.before, MaxAuditPage)
	return err
}

// Close lets another export begin.
func (e *Export) Close() { e.close() }
