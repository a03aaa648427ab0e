package service_test

import (
	"path/filepath"
	"strconv"
	"testing"

	"helfy/internal/stack"
	"helfy/service"
)

// BenchmarkVerify verifies 100,000 messages, a change and an event for each of
// 50,000 logins, and tells the messages a second and the greatest
// size of the heap.
func BenchmarkVerify(b *testing.B) {
	const commits, users = 50_000, 500
	config := stack.New(b)
	if err := config.PauseChangefeed(b.Context()); err != nil {
		b.Fatal(err)
	}
	stack.Fill(b, config, stack.History{Commits: commits, Users: users})
	exports := b.TempDir()
	var dir string
	b.Run("export", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			dir = filepath.Join(exports, strconv.Itoa(i))
			if _, err := config.ExportTopics(b.Context(), dir, nil); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(2*commits*b.N)/b.Elapsed().Seconds(), "messages/s")
	})
	for name, from := range map[string]string{"kafka": "kafka", "folder": dir} {
		b.Run(name, func(b *testing.B) {
			peak := stack.WatchHeap()
			for b.Loop() {
				report, err := config.VerifyAudit(b.Context(), service.Examination{From: from})
				if err != nil || !report.Clean() || report.Entries != 2*commits {
					b.Fatalf("%d entries, %d findings, %v: %v", report.Entries, len(report.Findings), report.Faults, err)
				}
			}
			b.ReportMetric(float64(2*commits*b.N)/b.Elapsed().Seconds(), "messages/s")
			b.ReportMetric(peak(), "MB-heap")
		})
	}
}
