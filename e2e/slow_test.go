package e2e

import (
	"net/http"
	"testing"
	"time"

	"helfy/domain"
	"helfy/internal/stack"
	"helfy/service"
)

// viaProxy returns the configuration of a process that reaches TiDB through a
// proxy.
func viaProxy(t *testing.T, config service.Config) (service.Config, *stack.Proxy) {
	t.Helper()
	return stack.ViaProxy(t, config)
}

func TestASlowDatabaseIsFedInGroups(t *testing.T) {
	t.Parallel()
	config := stack.NewOwn(t).Config()
	logins := newLoad(t, config, 20)
	logins.logins = 120
	api := stack.NewClient(stack.Start(t, config, "serve").Address(t))
	slow, proxy := viaProxy(t, stack.ServeMetrics(t, config))
	stack.Start(t, slow, "consume")
	proxy.DelayCommits(500 * time.Millisecond)

	started := time.Now()
	logins.start(t.Context(), api)
	logins.finish(t)
	loaded := time.Now()
	requireExactlyOnce(t, config, api, logins)
	metrics, _, err := stack.ReadMetrics(t, slow)
	if err != nil {
		t.Fatal(err)
	}
	records, flushes, err := metrics.Observed("helfy_flush_records", map[string]string{"projection": "audit"})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d logins in %s, in the log %s later; %g records in %g flushes of 500 ms, %.1f in each",
		logins.logins, loaded.Sub(started).Round(time.Millisecond), time.Since(loaded).Round(time.Millisecond),
		records, flushes, records/flushes)
	if least := 2.0; records < least*flushes {
		t.Errorf("%g flushes of %g records, want at least %g in each", flushes, records, least)
	}
}

// recordsRead is how many records of the topics have been projected.
func recordsRead(t *testing.T, config service.Config) int {
	t.Helper()
	var records int
	err := stack.DB(t, config).QueryRowContext(t.Context(),
		"SELECT COALESCE(SUM(next_offset - first_offset), 0) FROM projection_checkpoints").Scan(&records)
	if err != nil {
		t.Fatal(err)
	}
	return records
}

func TestASilentDatabaseHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	config := stack.NewOwn(t).Config()
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	silent, proxy := viaProxy(t, config)
	api := stack.NewClient(stack.Start(t, silent, "serve").Address(t))
	requireState(t, api, "/readyz", http.StatusOK, `"ready"`)
	if _, err := api.Login(t.Context(), "admin", "admin"); err != nil {
		t.Fatal(err)
	}

	proxy.FallSilent()
	const tries = 12
	answers := make(chan answer, tries)
	for range tries {
		go func() {
			l := &load{}
			l.login(t.Context(), api, "admin")
			answers <- l.answers[0]
		}()
	}
	requireState(t, api, "/readyz", http.StatusServiceUnavailable, `"not ready"`)
	requireState(t, api, "/health", http.StatusServiceUnavailable, `"database":"disconnected","kafka":true`)
	var all []answer
	for range tries {
		all = append(all, <-answers)
	}
	t.Logf("%d logins at once with a silent database: %v, the slowest took %s", tries, kinds(all), slowest(all).Round(time.Millisecond))
	if count := kinds(all); count["503"] != tries {
		t.Errorf("got %v, want 503 for each of %d", count, tries)
	}
	if took := slowest(all); took > settled {
		t.Errorf("a login took %s, want at most %s", took, settled)
	}
}
