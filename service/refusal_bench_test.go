package service_test

import (
	"math/rand/v2"
	"net/http"
	"slices"
	"testing"
	"time"

	"helfy/domain"
	"helfy/internal/stack"
)

// BenchmarkRefusal compares the times of refused logins, one of each kind in
// turn, so that they meet the same disturbances. It reports the median
// of each kind and how far apart the slowest and the fastest median are. Run it
// with -benchtime=200x or more.
func BenchmarkRefusal(b *testing.B) {
	for name, threshold := range map[string]int{"events": 0, "flood": 1} {
		b.Run(name, func(b *testing.B) { benchmarkRefusal(b, threshold) })
	}
}

func benchmarkRefusal(b *testing.B, threshold int) {
	config := stack.New(b)
	config.LogLevel = "error"
	config.FloodThreshold, config.MaxFailures = threshold, 1_000_000
	config.LockTime, config.LockMax = time.Hour, time.Hour
	for _, name := range []string{"wrong", "locked", "disabled"} {
		stack.AddUser(b, config, name, domain.RoleUser)
	}
	db := stack.DB(b, config)
	for _, statement := range []string{
		"UPDATE users SET status = 'disabled' WHERE username = 'disabled'",
		`INSERT INTO login_attempts (subject, failures, first_failed_at, last_failed_at, locks, locked_until)
		 SELECT CONCAT('user:', id), 10, NOW(6), NOW(6), 1, NOW(6) + INTERVAL 1 HOUR FROM users WHERE username = 'locked'`,
	} {
		if _, err := db.ExecContext(b.Context(), statement); err != nil {
			b.Fatal(err)
		}
	}
	client := stack.Serve(b, config)
	kinds := []string{"wrong", "unknown", "locked", "disabled"}
	took := map[string][]time.Duration{}
	refuse := func(name string) time.Duration {
		start := time.Now()
		response, body, err := client.Do(b.Context(), http.MethodPost, "/api/login", "", `{"username":"`+name+`","password":"some password"}`)
		if err != nil || response.StatusCode != http.StatusUnauthorized {
			b.Fatalf("%s: %v, %s", name, err, body)
		}
		return time.Since(start)
	}
	for _, kind := range kinds {
		refuse(kind) // connections and plans are there
	}
	for b.Loop() {
		// What a request leaves behind to be done may slow the next one down.
		rand.Shuffle(len(kinds), func(i, j int) { kinds[i], kinds[j] = kinds[j], kinds[i] })
		for _, kind := range kinds {
			took[kind] = append(took[kind], refuse(kind))
		}
	}
	fastest, slowest := time.Hour, time.Duration(0)
	for _, kind := range kinds {
		slices.Sort(took[kind])
		median := took[kind][len(took[kind])/2]
		fastest, slowest = min(fastest, median), max(slowest, median)
		b.ReportMetric(float64(median.Microseconds())/1000, kind+"-ms")
	}
	b.ReportMetric(100*(float64(slowest)/float64(fastest)-1), "%apart")
	b.ReportMetric(0, "ns/op")
}
