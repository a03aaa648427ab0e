package service_test

import (
	"net/http"
	"strconv"
	"strings"
	"testing"

	"helfy/domain"
	"helfy/internal/stack"
	"helfy/service"
)

// metricsAddress returns an address that nobody listens on.
func metricsAddress(t *testing.T) string {
	t.Helper()
	return "127.0.0.1:" + strconv.Itoa(stack.FreePort(t))
}

func readMetrics(t *testing.T, config service.Config) string {
	t.Helper()
	return string(call(t, stack.NewClient("http://"+config.MetricsAddress), http.MethodGet, "/metrics", "", http.StatusOK))
}

func requireMetric(t *testing.T, metrics, want string) {
	t.Helper()
	if !strings.Contains(metrics, "\n"+want+"\n") {
		name, _, _ := strings.Cut(want, "{")
		for line := range strings.Lines(metrics) {
			if strings.HasPrefix(line, name) {
				t.Log(strings.TrimSpace(line))
			}
		}
		t.Errorf("the metrics lack %s", want)
	}
}

func TestMetricsCountLoginsByOutcome(t *testing.T) {
	config := stack.New(t)
	config.MetricsAddress = metricsAddress(t)
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	stack.AddUser(t, config, "disabled", domain.RoleUser)
	exec(t, config, "UPDATE users SET status = 'disabled' WHERE username = 'disabled'")
	client, _ := stack.Run(t, config)
	requireMetric(t, readMetrics(t, config), `helfy_logins_total{outcome="success"} 0`)
	login(t, client, "admin")
	login(t, client, "admin")
	for name, password := range map[string]string{"admin": "wrong", "nobody": "any", "disabled": "disabled"} {
		if _, err := client.Login(t.Context(), name, password); statusOf(t, err) != http.StatusUnauthorized {
			t.Fatal(err)
		}
	}
	metrics := readMetrics(t, config)
	for _, want := range []string{
		`helfy_logins_total{outcome="success"} 2`,
		`helfy_logins_total{outcome="wrong"} 1`,
		`helfy_logins_total{outcome="unknown"} 1`,
		`helfy_logins_total{outcome="disabled"} 1`,
		`helfy_logins_total{outcome="busy"} 0`,
		`helfy_http_requests_total{method="POST",route="/api/login",status="200"} 2`,
		`helfy_http_requests_total{method="POST",route="/api/login",status="401"} 3`,
	} {
		requireMetric(t, metrics, want)
	}
}

func TestMetricsNameRoutesNotPaths(t *testing.T) {
	config := stack.New(t)
	config.MetricsAddress = metricsAddress(t)
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	client := stack.Serve(t, config)
	token := login(t, client, "admin")
	call(t, client, http.MethodGet, "/api/audit/transactions/12345", token, http.StatusNotFound)
	call(t, client, http.MethodGet, "/planted-path", token, http.StatusNotFound)
	call(t, client, "PLANTED", "/api/me", token, http.StatusMethodNotAllowed)
	metrics := readMetrics(t, config)
	for _, want := range []string{
		`helfy_http_requests_total{method="GET",route="/api/audit/transactions/{commitTs}",status="404"} 1`,
		`helfy_http_requests_total{method="GET",route="none",status="404"} 1`,
		`helfy_http_requests_total{method="other",route="none",status="405"} 1`,
		`helfy_http_request_duration_seconds_count{method="POST",route="/api/login"} 1`,
	} {
		requireMetric(t, metrics, want)
	}
	for _, planted := range []string{"planted", "PLANTED", "12345", token} {
		if strings.Contains(metrics, planted) {
			t.Errorf("the metrics show %s", planted)
		}
	}
}

func TestMetricsAreNowhereUnlessConfiguredAndEndWithTheService(t *testing.T) {
	config := stack.New(t)
	call(t, stack.Serve(t, config), http.MethodGet, "/metrics", "", http.StatusNotFound)
	config.MetricsAddress = metricsAddress(t)
	_, stop := stack.Run(t, config)
	readMetrics(t, config)
	stop()
	if err := stack.RefusesConnections(t.Context(), stack.NewClient("http://"+config.MetricsAddress)); err != nil {
		t.Error(err)
	}
}

func TestAMetricsAddressThatIsTakenIsNamed(t *testing.T) {
	config := stack.New(t)
	config.MetricsAddress = metricsAddress(t)
	stack.Serve(t, config)
	log, err := config.NewLogger(t.Output())
	if err != nil {
		t.Fatal(err)
	}
	err = config.Consume(t.Context(), log)
	if err == nil || !strings.Contains(err.Error(), "METRICS_ADDRESS") {
		t.Errorf("got %v", err)
	}
}
