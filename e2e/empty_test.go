package e2e

import (
	"net/http"
	"testing"
	"time"

	"helfy/internal/stack"
)

func TestTwoServicesOnAnEmptyDatabaseWaitAndWorkOnceItIsSetUp(t *testing.T) {
	t.Parallel()
	config := stack.NewOwn(t).Bare()
	var services []*stack.Client
	for range 2 {
		services = append(services, stack.NewClient(stack.Start(t, config, "run").Address(t)))
	}
	for _, api := range services {
		requireState(t, api, "/livez", http.StatusOK, `"alive"`)
		requireState(t, api, "/readyz", http.StatusServiceUnavailable, `"not ready"`)
		requireState(t, api, "/health", http.StatusServiceUnavailable, `"database":"disconnected"`)
		response, body, err := api.Do(t.Context(), http.MethodPost, "/api/login", "", `{"username":"admin","password":"admin"}`)
		if err != nil || response.StatusCode != http.StatusServiceUnavailable {
			t.Errorf("a login is answered %v %s, %v, want 503", response, body, err)
		}
	}

	began := time.Now()
	for _, step := range [][]string{{"migrate", "up"}, {"topics", "ensure"}, {"changefeed", "ensure"}} {
		both := []*stack.Process{stack.Start(t, config, step...), stack.Start(t, config, step...)}
		for _, process := range both {
			if err := process.Wait(patience); err != nil {
				t.Fatalf("helfy %v, twice at once: %v", step, err)
			}
		}
	}
	for _, api := range services {
		requireState(t, api, "/readyz", http.StatusOK, `"ready"`)
		requireState(t, api, "/health", http.StatusOK, `"database":"connected","kafka":true`)
	}
	t.Logf("set up by two at once and ready after %s", time.Since(began).Round(time.Millisecond))
	logins := newLoad(t, config, 10)
	logins.logins = 80
	logins.start(t.Context(), services...)
	logins.finish(t)
	requireExactlyOnce(t, config, services[0], logins)
}
