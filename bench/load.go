package main

import (
	"context"
	"slices"
	"sync"
	"time"
)

// openLoop begins a call count times, at a steady rate a second whatever
// becomes of those before, and returns when all have ended.
func openLoop(ctx context.Context, rate float64, count int, call func(i int)) {
	var calls sync.WaitGroup
	defer calls.Wait()
	began := time.Now()
	for i := range count {
		due := began.Add(time.Duration(float64(i) / rate * float64(time.Second)))
		select {
		case <-time.After(time.Until(due)):
			calls.Go(func() { call(i) })
		case <-ctx.Done():
			return
		}
	}
}

// closedLoop calls from several goroutines, each one after the other, until
// the time is over, and returns how long each call took, and the calls a
// second.
func closedLoop(ctx context.Context, callers int, duration time.Duration, call func() error) (times, float64, error) {
	ctx, cancel := context.WithTimeout(ctx, duration)
	defer cancel()
	var (
		mu    sync.Mutex
		all   times
		fault error
		group sync.WaitGroup
	)
	began := time.Now()
	for range callers {
		group.Go(func() {
			var took times
			var err error
			for ctx.Err() == nil && err == nil {
				start := time.Now()
				err = call()
				took = append(took, time.Since(start))
			}
			mu.Lock()
			defer mu.Unlock()
			all = append(all, took...)
			if fault == nil {
				fault = err
			}
		})
	}
	group.Wait()
	return all, float64(len(all)) / time.Since(began).Seconds(), fault
}

// times are durations of which percentiles are wanted.
type times []time.Duration

// percentile returns the least duration, in milliseconds, that p of 100 do not
// exceed; 0 if there are none.
func (t times) percentile(p float64) float64 {
	if len(t) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(t))
	return float64(sorted[min(len(sorted)-1, int(float64(len(sorted))*p/100))]) / float64(time.Millisecond)
}
