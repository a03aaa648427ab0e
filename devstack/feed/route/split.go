package route

import (
	"slices"

	"helfy/devstack/feed/row"
)

// Split replaces each update that changes a primary or unique key by a delete
// and an insert, and then sorts the events of the transaction: deletes before
// updates before inserts, so that keys which rows hand over are free in time.
// Only the events of one table may be passed, as TiCDC sorts within a table.
func Split(events []*row.Event) []*row.Event {
	if !slices.ContainsFunc(events, (*row.Event).ChangesKey) {
		return events
	}
	var split []*row.Event
	for _, e := range events {
		if !e.ChangesKey() {
			split = append(split, e)
			continue
		}
		removal, insertion := *e, *e
		removal.New, insertion.Old = nil, nil
		split = append(split, &removal, &insertion)
	}
	slices.SortStableFunc(split, func(a, b *row.Event) int { return order(a) - order(b) })
	return split
}

func order(e *row.Event) int {
	switch {
	case e.New == nil:
		return 0
	case e.Old != nil:
		return 1
	}
	return 2
}
