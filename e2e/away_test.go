package e2e

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"helfy/internal/stack"
	"helfy/service"
)

const (
	// away is how long a part is gone.
	away = 60 * time.Second
	// atOnce is how long the answer may take that something is away: less than
	// the 10 s that requests have, so that it is no answer for want of time.
	atOnce = 8 * time.Second
	// settled is how long a login may take whose transaction was under way
	// when the database went: twice what it has.
	settled = 20 * time.Second
)

func TestLoginsGoOnWhileKafkaIsAwayAndAppearInTheLogAfterwards(t *testing.T) {
	t.Parallel()
	own := stack.NewOwn(t)
	config := own.Config()
	logins, api, endLoad := startGentleLoad(t, config)

	own.Ctl("kill", "kafka")
	from := time.Now()
	requireState(t, api, "/health", http.StatusServiceUnavailable, `"database":"connected","kafka":false`)
	requireState(t, api, "/readyz", http.StatusOK, `"ready"`)
	stack.Pause(t, time.Until(from.Add(away)))
	to := time.Now()
	own.Ctl("start", "kafka")
	requireState(t, api, "/health", http.StatusOK, `"kafka":true`)
	endLoad()

	during := logins.between(from, to)
	t.Logf("%s without Kafka: %d logins, %v, the slowest took %s",
		to.Sub(from).Round(time.Second), len(during), kinds(during), slowest(during).Round(time.Millisecond))
	if count := kinds(during); len(during) == 0 || count["200"] != len(during) {
		t.Errorf("logins do not need Kafka, but were answered %v", count)
	}
	requireExactlyOnce(t, config, api, logins)
}

func TestLoginsAreRefusedAtOnceWhileTiDBIsAwayAndGoOnAfterwards(t *testing.T) {
	t.Parallel()
	own := stack.NewOwn(t)
	config := own.Config()
	logins, api, endLoad := startGentleLoad(t, config)

	killing := time.Now()
	own.Ctl("kill", "tidb")
	from := time.Now()
	requireState(t, api, "/health", http.StatusServiceUnavailable, `"database":"disconnected","kafka":true`)
	requireState(t, api, "/readyz", http.StatusServiceUnavailable, `"not ready"`)
	requireState(t, api, "/livez", http.StatusOK, `"alive"`)
	stack.Pause(t, time.Until(from.Add(away)))
	to := time.Now()
	own.Ctl("start", "tidb")
	back := time.Now()
	requireState(t, api, "/readyz", http.StatusOK, `"ready"`)
	logins.waitFor(t, logins.done()+20)
	endLoad()

	// Those that were asked just before the end may still find it running.
	during := logins.between(from, to.Add(-atOnce))
	underWay := logins.between(killing.Add(-settled), from)
	t.Logf("%s without TiDB: %d logins, %v, the slowest took %s; of those under way before, the slowest took %s",
		to.Sub(from).Round(time.Second), len(during), kinds(during), slowest(during).Round(time.Millisecond),
		slowest(underWay).Round(time.Millisecond))
	if count := kinds(during); len(during) == 0 || count["503"] != len(during) {
		t.Errorf("without the database every login is answered 503, but got %v", count)
	}
	if took := slowest(during); took > atOnce {
		t.Errorf("a login took %s to be refused, want at most %s", took, atOnce)
	}
	if took := slowest(underWay); took > settled {
		t.Errorf("a login that was under way took %s, want at most %s", took, settled)
	}
	t.Logf("TiDB was back after %s, the first login %s later", back.Sub(to).Round(time.Millisecond), logins.firstSince(back).Round(time.Millisecond))
	requireExactlyOnce(t, config, api, logins)
}

// startGentleLoad runs the service and logs in from time to time, until
// endLoad.
func startGentleLoad(t *testing.T, config service.Config) (logins *load, api *stack.Client, endLoad func()) {
	t.Helper()
	logins = newLoad(t, config, 8)
	logins.clients, logins.pause = 4, 500*time.Millisecond
	api = stack.NewClient(stack.Start(t, config, "serve").Address(t))
	stack.Start(t, config, "consume")
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	logins.start(ctx, api)
	logins.waitFor(t, 20)
	return logins, api, func() { cancel(); logins.wait.Wait() }
}

// requireState waits until a path is answered as it must be, and checks that
// each answer comes at once.
func requireState(t *testing.T, api *stack.Client, path string, status int, want string) {
	t.Helper()
	stack.Eventually(t, patience, func() error {
		began := time.Now()
		response, body, err := api.Do(t.Context(), http.MethodGet, path, "", "")
		if err != nil {
			return err
		}
		if took := time.Since(began); took > atOnce {
			t.Errorf("GET %s took %s", path, took)
		}
		if response.StatusCode != status || !strings.Contains(string(body), want) {
			return fmt.Errorf("GET %s: %d %s, want %d and %s", path, response.StatusCode, body, status, want)
		}
		return nil
	})
}
