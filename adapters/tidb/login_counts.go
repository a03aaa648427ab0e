package tidb

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"helfy/app/projection"
	"helfy/domain"
)

// bucket is an hour or a day.
type bucket struct {
	period domain.Period
	start  int64 // Unix time in seconds
}

// bucketsOf returns the buckets that an event counts in.
func bucketsOf(event projection.LoginEvent) [2]bucket {
	at := domain.TimeOfTSO(event.CommitTs)
	return [2]bucket{{domain.Hour, domain.Hour.Start(at).Unix()}, {domain.Day, domain.Day.Start(at).Unix()}}
}

// counter names a row of projection_login_counts.
type counter struct {
	bucket
	measure domain.LoginMeasure
	cell    int64
}

// counters are what is to be added to each counter.
type counters map[counter]int64

// add counts an event, but not its user.
func (c counters) add(event projection.LoginEvent) {
	for _, b := range bucketsOf(event) {
		c[counter{b, event.Measure, 0}] += event.Count
		c[counter{b, domain.LoginLags, event.Lag}]++
	}
}

// move counts an event with another lag.
func (c counters) move(event projection.LoginEvent, from, to int64) {
	for _, b := range bucketsOf(event) {
		c[counter{b, domain.LoginLags, from}]--
		c[counter{b, domain.LoginLags, to}]++
	}
}

// sorted returns the counters that change, in the order of their key, so that
// two writers do not wait for each other in a circle.
func (c counters) sorted() []counter {
	maps.DeleteFunc(c, func(_ counter, change int64) bool { return change == 0 })
	return slices.SortedFunc(maps.Keys(c), func(a, b counter) int {
		return cmp.Or(
			cmp.Compare(a.period, b.period), cmp.Compare(a.start, b.start),
			cmp.Compare(a.measure, b.measure), cmp.Compare(a.cell, b.cell),
		)
	})
}

// userIn is a user that logged in in a bucket.
type userIn struct {
	bucket
	user domain.UserID
}

func usersOf(events []projection.LoginEvent) []userIn {
	seen := map[userIn]struct{}{}
	for _, event := range events {
		if event.UserID == 0 {
			continue
		}
		for _, b := range bucketsOf(event) {
			seen[userIn{b, event.UserID}] = struct{}{}
		}
	}
	return slices.SortedFunc(maps.Keys(seen), func(a, b userIn) int {
		return cmp.Or(cmp.Compare(a.period, b.period), cmp.Compare(a.start, b.start), cmp.Compare(a.user, b.user))
	})
}

// loginKey identifies an event.
type loginKey struct {
	commitTs uint64
	rowKey   string
}

func loginKeyOf(commitTs uint64, rowKey string) loginKey {
	return loginKey{commitTs, strings.TrimRight(rowKey, " ")} // which the table does not compare
}

// distinct returns each event once, with the least of its lags, in the order
// of their key.
func distinct(events []projection.LoginEvent) []projection.LoginEvent {
	least := map[loginKey]projection.LoginEvent{}
	for _, event := range events {
		key := loginKeyOf(event.CommitTs, event.RowKey)
		if known, ok := least[key]; !ok || event.Lag < known.Lag {
			least[key] = event
		}
	}
	return slices.SortedFunc(maps.Values(least), func(a, b projection.LoginEvent) int {
		return cmp.Or(cmp.Compare(a.CommitTs, b.CommitTs), cmp.Compare(a.RowKey, b.RowKey))
	})
}
