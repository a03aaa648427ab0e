package query

import (
	"context"
	"time"

	"helfy/domain"
)

// MaxLoginBuckets is the greatest number of buckets in one answer.
const MaxLoginBuckets = 1000

// LoginBucket is what happened in one hour or day, by the time of commits.
type LoginBucket struct {
	Start time.Time
	// Logins, Failures and Lockouts count what happened, refused logins that
	// share an event each, Users the different users that logged in.
	Logins, Failures, Lockouts, Users int64
	// LagP50Ms and LagP99Ms are percentiles of the time from the commits of
	// all these events to their records' timestamps; nil without events.
	// domain.LagCell says how exact they are.
	LagP50Ms, LagP99Ms *int64
}

// LoginStatistics are the buckets of a time, the oldest first, with those in
// which nothing happened.
type LoginStatistics struct {
	Buckets []LoginBucket
	// CompleteThrough is the TSO up to which every event is counted but for
	// dead letters and gaps, 0 when that is not known yet.
	CompleteThrough uint64
	// DeadLetters are the records that may be events and could not be
	// understood, but for those that were waived.
	DeadLetters int64
	Gaps        []Gap
}

// LoginCount is one counter of a bucket. Cell is the lag of the measure
// domain.LoginLags.
type LoginCount struct {
	Start   time.Time
	Measure domain.LoginMeasure
	domain.LagCount
}

// LoginCounts reads the projection of login statistics.
type LoginCounts interface {
	// Counts gives the counters of the buckets that begin at from or later
	// and before to, in the order of their beginning, those of lags in
	// ascending order of their cells.
	Counts(ctx context.Context, period domain.Period, from, to time.Time, take func(LoginCount)) error
	// CompleteThrough returns the TSO up to which every event is counted but
	// for dead letters, 0 while that is not known.
	CompleteThrough(ctx context.Context) (uint64, error)
	// DeadLetters returns how many dead letters are open.
	DeadLetters(ctx context.Context) (int64, error)
}

// CountLogins reads login statistics. It is safe for concurrent use.
type CountLogins struct {
	Counts LoginCounts
	Gaps   Gaps
}

// Handle returns the buckets that begin at from or later and before to. Both
// must be beginnings of buckets.
func (c CountLogins) Handle(ctx context.Context, period domain.Period, from, to time.Time) (LoginStatistics, error) {
	// Read first: they must not promise more than the counters read after them.
	through, err := c.Counts.CompleteThrough(ctx)
	if err != nil {
		return LoginStatistics{}, err
	}
	dead, err := c.Counts.DeadLetters(ctx)
	if err != nil {
		return LoginStatistics{}, err
	}
	statistics := LoginStatistics{CompleteThrough: through, DeadLetters: dead}
	for start := from; start.Before(to); start = start.Add(period.Length()) {
		statistics.Buckets = append(statistics.Buckets, LoginBucket{Start: start})
	}
	lags := make([][]domain.LagCount, len(statistics.Buckets))
	err = c.Counts.Counts(ctx, period, from, to, func(count LoginCount) {
		i := int(count.Start.Sub(from) / period.Length())
		if count.Measure == domain.LoginLags {
			lags[i] = append(lags[i], count.LagCount)
			return
		}
		statistics.Buckets[i].set(count)
	})
	if err != nil {
		return LoginStatistics{}, err
	}
	for i := range statistics.Buckets {
		statistics.Buckets[i].LagP50Ms = percentile(lags[i], 50)
		statistics.Buckets[i].LagP99Ms = percentile(lags[i], 99)
	}
	statistics.Gaps, err = c.Gaps.Gaps(ctx)
	return statistics, err
}

func (b *LoginBucket) set(count LoginCount) {
	switch count.Measure {
	case domain.Logins:
		b.Logins = count.Count
	case domain.LoginFailures:
		b.Failures = count.Count
	case domain.Lockouts:
		b.Lockouts = count.Count
	case domain.LoginUsers:
		b.Users = count.Count
	}
}

func percentile(lags []domain.LagCount, percent int64) *int64 {
	if ms, ok := domain.LagPercentile(lags, percent); ok {
		return &ms
	}
	return nil
}
