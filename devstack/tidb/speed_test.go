package tidb_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"helfy/canaljson"
)

// A change reaches a consumer within milliseconds of its commit.
func TestLatencyAndThroughput(t *testing.T) {
	const single, writers, each = 500, 8, 500
	db, kafka := feedOf(t, "speed", "CREATE TABLE {db}.t (id INT AUTO_INCREMENT PRIMARY KEY, v VARCHAR(100))")
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	defer cancel()
	arrivals := make(chan time.Time, single+writers*each)
	go func() {
		for ctx.Err() == nil {
			kafka.client.PollFetches(ctx).EachRecord(func(r *kgo.Record) {
				if m, err := canaljson.Decode(r.Value); err == nil {
					if _, ok := m.(*canaljson.Change); ok {
						arrivals <- time.Now()
					}
				}
			})
		}
	}()
	wait := func() time.Time {
		select {
		case at := <-arrivals:
			return at
		case <-ctx.Done():
			t.Fatal("a change did not arrive")
			return time.Time{}
		}
	}
	latencies := make([]time.Duration, single)
	for i := range latencies {
		mustExec(t, db, "INSERT INTO speed.t (v) VALUES ('v')")
		committed := time.Now()
		latencies[i] = wait().Sub(committed)
	}
	slices.Sort(latencies)
	p50, p99 := latencies[single/2], latencies[single*99/100]

	begin := time.Now()
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for range each {
				mustExec(t, db, "INSERT INTO speed.t (v) VALUES ('v')")
			}
		})
	}
	wg.Wait()
	written := time.Since(begin)
	var last time.Time
	for range writers * each {
		last = wait()
	}
	lag := last.Sub(begin) - written
	t.Logf("commit to consumer p50 %s, p99 %s; %d transactions in %s (%.0f/s), the last arrived %s later",
		p50, p99, writers*each, written, float64(writers*each)/written.Seconds(), lag)
	// Far from the measured values, so that a busy machine does not matter.
	if p50 > 200*time.Millisecond || lag > 5*time.Second {
		t.Error("the feed is slow")
	}
}
