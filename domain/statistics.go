package domain

import (
	"math/bits"
	"time"
)

// Period is the length of a bucket of statistics. Buckets are aligned in UTC.
type Period string

// The periods.
const (
	Hour Period = "hour"
	Day  Period = "day"
)

// Length returns how long a period lasts.
func (p Period) Length() time.Duration {
	if p == Day {
		return 24 * time.Hour
	}
	return time.Hour
}

// Start returns the beginning of the bucket that a time is in.
func (p Period) Start(at time.Time) time.Time { return at.UTC().Truncate(p.Length()) }

// LoginMeasure is something that is counted of logins.
type LoginMeasure string

// The measures. Logins, LoginFailures and Lockouts count what happened,
// LoginUsers the different users that logged in, and LoginLags the events by
// their lag.
const (
	Logins        LoginMeasure = "logins"
	LoginFailures LoginMeasure = "failures"
	Lockouts      LoginMeasure = "lockouts"
	LoginUsers    LoginMeasure = "users"
	LoginLags     LoginMeasure = "lag"
)

// exactLagBits is how wide a lag may be to be counted exactly.
const exactLagBits = 8

// LagCell returns the greatest lag, in milliseconds, that is counted as one
// with the given one: up to 255 ms itself, beyond by less than 1/128 more, so
// that a bucket has few cells whatever its lags are. A negative lag, which
// clocks that differ make, counts as 0.
//
// It is the bucketing of HdrHistogram (http://hdrhistogram.org) with 256
// sub-buckets.
func LagCell(ms int64) int64 {
	ms = max(ms, 0)
	width := max(0, bits.Len64(uint64(ms))-exactLagBits)
	return ms | (1<<width - 1)
}

// LagCount is how many events have a lag of one cell.
type LagCount struct {
	Cell  int64 // as LagCell returns it
	Count int64
}

// LagPercentile returns the least cell that at least percent of the events
// are not beyond (the nearest rank). Cells come in ascending order; without
// events there is none, and ok is false.
func LagPercentile(lags []LagCount, percent int64) (ms int64, ok bool) {
	var total, seen int64
	for _, lag := range lags {
		total += lag.Count
	}
	for _, lag := range lags {
		seen += lag.Count
		if lag.Count > 0 && seen*100 >= total*percent {
			return lag.Cell, true
		}
	}
	return 0, false
}
