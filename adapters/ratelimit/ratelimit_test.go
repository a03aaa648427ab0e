package ratelimit

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// clock is a clock that stands still until it is moved.
type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

func newClock() *clock { return &clock{at: time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)} }

func TestSoManyAMinuteMayCome(t *testing.T) {
	clock := newClock()
	limit := New(3, clock.now)
	for i := range 3 {
		if wait := limit.Take("a"); wait != 0 {
			t.Fatalf("number %d waits %s", i+1, wait)
		}
	}
	for range 5 { // a refusal does not make the wait longer
		if wait := limit.Take("a"); wait != 20*time.Second {
			t.Fatalf("the fourth waits %s, want 20s", wait)
		}
	}
	clock.at = clock.at.Add(20 * time.Second)
	if wait := limit.Take("a"); wait != 0 {
		t.Errorf("after the wait: %s", wait)
	}
	if wait := limit.Take("a"); wait <= 0 {
		t.Error("only one has become free")
	}
}

func TestZeroIsNoLimit(t *testing.T) {
	limit := New(0, time.Now)
	for range 10_000 {
		if wait := limit.Take("a"); wait != 0 {
			t.Fatal(wait)
		}
	}
}

func TestKeysDoNotShareALimitUnlessTheirBucketsDo(t *testing.T) {
	clock := newClock()
	limit := New(1, clock.now)
	const keys = 1000
	refused := 0
	for i := range keys {
		if limit.Take(fmt.Sprint(i)) > 0 {
			refused++
		}
	}
	if refused > keys/20 { // about 8 of 1000 meet in 65,536 buckets
		t.Errorf("%d of %d keys met another one", refused, keys)
	}
}

func TestAClockThatIsSetBackRefusesNobodyForLong(t *testing.T) {
	clock := newClock()
	limit := New(1, clock.now)
	limit.Take("a")
	clock.at = clock.at.Add(-24 * time.Hour)
	if wait := limit.Take("a"); wait > time.Minute {
		t.Errorf("waits %s", wait)
	}
}

func TestParallelTakesNeverExceedTheLimit(t *testing.T) {
	limit := New(100, newClock().now)
	var taken atomic.Int32
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			for range 100 {
				if limit.Take("a") == 0 {
					taken.Add(1)
				}
			}
		})
	}
	wait.Wait()
	if got := taken.Load(); got != 100 {
		t.Errorf("%d were let through, want 100", got)
	}
}

func TestParallelRefusalsMakeTheWaitNoLonger(t *testing.T) {
	limit := New(60, newClock().now)
	for limit.Take("a") == 0 {
	}
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			for range 50_000 {
				limit.Take("a")
			}
		})
	}
	wait.Wait()
	if got := limit.Take("a"); got <= 0 || got > time.Second {
		t.Errorf("waits %s, want no more than 1s", got)
	}
}
