// Package ratelimit bounds how often something happens by token buckets.
package ratelimit

import (
	"hash/maphash"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"helfy/app/command"
)

// buckets is the number of token buckets of a Limit. Memory is bounded by it,
// about 8 MB, whatever keys come.
const buckets = 1 << 16

// Limit implements command.RateLimit. Keys share a fixed number of buckets,
// chosen by a hash that nobody outside can predict: there is nothing to evict,
// and two keys that fall into one bucket share its limit. It is safe for
// concurrent use.
type Limit struct {
	perMinute int
	now       func() time.Time
	seed      maphash.Seed
	buckets   []atomic.Pointer[rate.Limiter]
}

var _ command.RateLimit = (*Limit)(nil)

// New returns a limit of so many a minute for each key, which may come all at
// once; 0 is no limit.
func New(perMinute int, now func() time.Time) *Limit {
	l := &Limit{perMinute: perMinute, now: now, seed: maphash.MakeSeed()}
	if perMinute > 0 {
		l.buckets = make([]atomic.Pointer[rate.Limiter], buckets)
	}
	return l
}

// Take implements command.RateLimit.
func (l *Limit) Take(key string) (wait time.Duration) {
	if l.perMinute <= 0 {
		return 0
	}
	now := l.now()
	bucket := l.bucket(key)
	if bucket.AllowN(now, 1) {
		return 0
	}
	// A reservation that is cancelled would tell the wait too, but not give all
	// back while others reserve: parallel refusals would make it longer.
	missing := 1 - bucket.TokensAt(now)
	return max(time.Duration(missing*float64(time.Minute)/float64(l.perMinute)), 1)
}

func (l *Limit) bucket(key string) *rate.Limiter {
	place := &l.buckets[maphash.String(l.seed, key)%buckets]
	if limiter := place.Load(); limiter != nil {
		return limiter
	}
	place.CompareAndSwap(nil, rate.NewLimiter(rate.Every(time.Minute/time.Duration(l.perMinute)), l.perMinute))
	return place.Load()
}
