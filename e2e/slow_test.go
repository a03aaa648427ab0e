package e2e

import (
	"net"
	"net/http"
	"strconv"
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
	proxy := stack.NewProxy(t, net.JoinHostPort(config.TiDBHost, strconv.Itoa(config.TiDBPort)))
	config.TiDBPort = proxy.Port
	return config, proxy
}

func TestASlowDatabaseIsFedInGroups(t *testing.T) {
	t.Parallel()
	config := stack.NewOwn(t).Config()
	logins := newLoad(t, config, 20)
	logins.logins = 120
	api := stack.NewClient(stack.Start(t, config, "serve").Address(t))
	slow, proxy := viaProxy(t, config)
	stack.Start(t, slow, "consume")
	proxy.DelayCommits(500 * time.Millisecond)

	started := time.Now()
	logins.start(t.Context(), api)
	logins.finish(t)
	loaded := time.Now()
	requireExactlyOnce(t, config, api, logins)
	flushes := int(proxy.Commits.Load())
	records := recordsRead(t, config)
	t.Logf("%d logins in %s, in the log %s later; %d records in %d flushes of 500 ms: %.1f records each, %.0f a second",
		logins.logins, loaded.Sub(started).Round(time.Millisecond), time.Since(loaded).Round(time.Millisecond),
		records, flushes, float64(records)/float64(flushes), float64(records)/time.Since(started).Seconds())
	// One record of each partition is in hand at a time, so that there are at
	// most as many in a flush: of a projection that reads one topic half of
	// those of both.
	if least := float64(config.KafkaPartitions) / 2; float64(records) < least*float64(flushes) {
		t.Errorf("%d flushes for %d records, want at least %g in each", flushes, records, least)
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
