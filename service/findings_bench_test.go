package service_test

import (
	"slices"
	"testing"
	"time"

	"helfy/domain"
	"helfy/internal/stack"
)

// BenchmarkChangeByHandIsFound measures how long after its COMMIT a change
// that somebody makes with SQL is a finding, and how long after the log was
// complete beyond it.
func BenchmarkChangeByHandIsFound(b *testing.B) {
	config := stack.New(b)
	stack.AddUser(b, config, "admin", domain.RoleAdmin)
	stack.Run(b, config)
	stack.RequireNoFindings(b, config)
	db := stack.DB(b, config)
	const timeout = 20 * time.Second
	count := func(query string) (n uint64) {
		if err := db.QueryRowContext(b.Context(), query).Scan(&n); err != nil {
			b.Fatal(err)
		}
		return n
	}
	var sinceCommit, sinceWatermark []time.Duration
	for i := uint64(1); b.Loop(); i++ {
		if _, err := db.ExecContext(b.Context(), "UPDATE users SET created_at = created_at + INTERVAL 1 DAY"); err != nil {
			b.Fatal(err)
		}
		committed := time.Now()
		tso := domain.TSOOfTime(committed.Add(time.Millisecond))
		var complete time.Time
		for count("SELECT COUNT(*) FROM projection_audit_findings") < i {
			if complete.IsZero() && count("SELECT MIN(watermark) FROM projection_checkpoints") >= tso {
				complete = time.Now()
			}
			if time.Since(committed) > timeout {
				b.Fatal("nothing was found")
			}
			time.Sleep(2 * time.Millisecond) // no synchronisation: the resolution of the measurement
		}
		found := time.Now()
		sinceCommit = append(sinceCommit, found.Sub(committed))
		if !complete.IsZero() {
			sinceWatermark = append(sinceWatermark, found.Sub(complete))
		}
	}
	report := func(times []time.Duration, name string) {
		if len(times) == 0 {
			return // it was found before this looked
		}
		slices.Sort(times)
		b.ReportMetric(float64(times[len(times)/2].Milliseconds()), name+"-median-ms")
		b.ReportMetric(float64(times[len(times)-1].Milliseconds()), name+"-max-ms")
	}
	report(sinceCommit, "commit")
	report(sinceWatermark, "watermark")
}
