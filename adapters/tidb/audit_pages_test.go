package tidb_test

import (
	"fmt"
	"slices"
	"testing"

	"helfy/adapters/tidb"
	"helfy/app/query"
	"helfy/domain"
	"helfy/internal/stack"
)

// TestPagesMissNothingAndRepeatNothing turns the pages of a log in which runs
// of DELETE halves are hidden: those of every fourth commit, and forty in a row.
func TestPagesMissNothingAndRepeatNothing(t *testing.T) {
	config := stack.New(t)
	store := open(t, config)
	const watermark, last = 50, 200
	isHalf := func(ts uint64) bool { return ts%4 == 0 || ts > 100 && ts <= 140 }
	var items []item
	for ts := uint64(1); ts <= last; ts++ {
		change := half("", "alice")
		if isHalf(ts) {
			change = half("alice", "")
		}
		event := half("", "alice")
		event.Table, event.RowKey, event.Source, event.EventType = "outbox", fmt.Sprint("event-", ts), domain.SourceEvent, domain.LoginSuccess
		if ts%3 == 0 {
			event.EventType, event.IP = domain.LoginFailure, "192.0.2.1"
		}
		change.CommitTs, event.CommitTs = ts, ts
		items = append(items, at(int64(9+ts), change, event))
	}
	items[len(items)-1].Watermark = watermark
	flush(t, store, items...)

	log := tidb.NewAuditLog(stack.DB(t, config), topic, other)
	for name, c := range map[string]struct {
		filter   query.AuditFilter
		isChosen func(domain.AuditEntry) bool
	}{
		"none":      {query.AuditFilter{}, func(domain.AuditEntry) bool { return true }},
		"userId":    {query.AuditFilter{UserID: 1}, func(domain.AuditEntry) bool { return true }},
		"table":     {query.AuditFilter{Table: "users"}, func(e domain.AuditEntry) bool { return e.Table == "users" }},
		"operation": {query.AuditFilter{Operation: "DELETE"}, func(e domain.AuditEntry) bool { return e.Operation() == "DELETE" }},
		"eventType": {query.AuditFilter{EventType: domain.LoginFailure}, func(e domain.AuditEntry) bool { return e.EventType == domain.LoginFailure }},
		"userId and operation": {query.AuditFilter{UserID: 1, Operation: "INSERT"}, func(e domain.AuditEntry) bool {
			return e.Source == domain.SourceChange && e.Operation() == "INSERT"
		}},
		"userId, ip and source": {query.AuditFilter{UserID: 1, IP: "192.0.2.1", Source: domain.SourceEvent}, func(e domain.AuditEntry) bool {
			return e.IP != ""
		}},
		"to": {query.AuditFilter{UserID: 1, To: domain.TimeOfTSO(1 << 18)}, func(domain.AuditEntry) bool { return true }},
	} {
		var want []string
		for _, item := range slices.Backward(items) {
			for _, entry := range item.Rows { // the change has the greater table
				isHidden := entry.New == nil && entry.CommitTs > watermark
				if !isHidden && c.isChosen(entry) {
					want = append(want, entry.ID())
				}
			}
		}
		for _, limit := range []int{3, 60, 500} {
			t.Run(fmt.Sprintf("%s, %d a page", name, limit), func(t *testing.T) {
				if got := turnPages(t, log, c.filter, limit); !slices.Equal(got, want) {
					t.Errorf("got %d entries, want %d:\n%v\n%v", len(got), len(want), got, want)
				}
			})
		}
	}
}

// turnPages returns what all pages have, each of which is full but the last.
func turnPages(t *testing.T, log tidb.AuditLog, filter query.AuditFilter, limit int) (ids []string) {
	t.Helper()
	var before *query.AuditPosition
	for {
		page, err := log.Entries(t.Context(), filter, before, limit)
		if err != nil {
			t.Fatal(err)
		}
		for _, entry := range page {
			ids = append(ids, entry.ID())
		}
		if len(page) < limit {
			return ids
		}
		end := page[limit-1]
		before = &query.AuditPosition{CommitTs: end.CommitTs, Table: end.Table, RowKey: end.RowKey}
	}
}
