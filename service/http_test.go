package service_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"helfy/domain"
	"helfy/internal/stack"
	"helfy/service"
)

func TestRefusalsAreProblemDetails(t *testing.T) {
	config := stack.New(t)
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	client := stack.Serve(t, config)
	token := login(t, client, "admin")
	const planted = "planted-password"
	for name, test := range map[string]struct {
		method, path, token, body string
		want                      int
	}{
		"no such path":         {"GET", "/api/nothing", "", "", 404},
		"wrong method":         {"GET", "/api/login", "", "", 405},
		"no body":              {"POST", "/api/login", "", "", 400},
		"broken JSON":          {"POST", "/api/login", "", `{"username":"` + planted, 400},
		"trailing garbage":     {"POST", "/api/login", "", `{"username":"a","password":"` + planted + `"} x`, 400},
		"no password":          {"POST", "/api/login", "", `{"username":"a"}`, 400},
		"password is a number": {"POST", "/api/login", "", `{"username":"a","password":123456}`, 400},
		"username is a list":   {"POST", "/api/login", "", `{"username":["` + planted + `"],"password":"a"}`, 400},
		"unknown member":       {"POST", "/api/login", "", `{"username":"a","password":"a","x":"` + planted + `"}`, 400},
		"huge body":            {"POST", "/api/login", "", `{"username":"a","password":"` + strings.Repeat("x", 100_000) + `"}`, 413},
		"huge name":            {"POST", "/api/login", "", `{"username":"` + strings.Repeat("x", 2000) + `","password":"a"}`, 400},
		"limit of 0":           {"GET", "/api/audit?limit=0", token, "", 400},
		"limit of 501":         {"GET", "/api/audit?limit=501", token, "", 400},
		"limit is a word":      {"GET", "/api/audit?limit=many", token, "", 400},
		"made-up cursor":       {"GET", "/api/audit?cursor=abc", token, "", 400},
		"unknown parameter":    {"GET", "/api/audit?page=2", token, "", 400},
	} {
		t.Run(name, func(t *testing.T) {
			response, body, err := client.Do(t.Context(), test.method, test.path, test.token, test.body)
			if err != nil {
				t.Fatal(err)
			}
			if response.StatusCode != test.want || response.Header.Get("Content-Type") != "application/problem+json" {
				t.Errorf("got %d %s %s, want %d", response.StatusCode, response.Header.Get("Content-Type"), body, test.want)
			}
			var problem struct {
				Status int
				Title  string
			}
			if err := json.Unmarshal(body, &problem); err != nil || problem.Status != test.want || problem.Title == "" {
				t.Errorf("body %s: %v", body, err)
			}
			if strings.Contains(string(body), planted) || strings.Contains(string(body), "123456") {
				t.Errorf("the answer repeats what may be a password: %s", body)
			}
			if response.Header.Get("X-Request-Id") == "" {
				t.Error("no request id")
			}
		})
	}
}

func TestOnlyTrustedProxiesTellTheClientsAddress(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ trusted, forwarded, want string }{
		"nobody is trusted":       {"", "203.0.113.7", "127.0.0.1"},
		"the proxy is trusted":    {"127.0.0.0/8", "203.0.113.7", "203.0.113.7"},
		"the client adds its own": {"127.0.0.0/8", "10.0.0.1, 203.0.113.7", "203.0.113.7"},
		"another is trusted":      {"192.0.2.0/24", "203.0.113.7", "127.0.0.1"},
		"the proxy adds a port":   {"127.0.0.0/8", "203.0.113.7:4711", "127.0.0.1"},
		"the proxy says nothing":  {"127.0.0.0/8", "", "127.0.0.1"},
	} {
		t.Run(name, func(t *testing.T) {
			config := stack.New(t)
			read, err := service.ReadConfig([]string{"TRUSTED_PROXIES=" + test.trusted}, false)
			if err != nil {
				t.Fatal(err)
			}
			config.TrustedProxies = read.TrustedProxies
			stack.AddUser(t, config, "admin", domain.RoleAdmin)
			client := stack.Serve(t, config)
			request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, client.Base+"/api/login",
				strings.NewReader(`{"username":"admin","password":"admin"}`))
			if err != nil {
				t.Fatal(err)
			}
			request.Header.Set("Content-Type", "application/json")
			request.Header.Set("X-Forwarded-For", test.forwarded)
			response, err := http.DefaultClient.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			if err := response.Body.Close(); err != nil {
				t.Fatal(err)
			}
			var metadata string
			err = stack.DB(t, config).QueryRowContext(t.Context(), "SELECT metadata FROM outbox WHERE type = 'LOGIN_SUCCESS'").Scan(&metadata)
			if err != nil {
				t.Fatal(err)
			}
			var origin domain.Origin
			if err := json.Unmarshal([]byte(metadata), &origin); err != nil || origin.IP != test.want {
				t.Errorf("got %s, %v, want ip %s", metadata, err, test.want)
			}
		})
	}
}

func TestShutdownFinishesRequestsUnderWay(t *testing.T) {
	config := stack.New(t)
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	viaProxy, proxy := stack.ViaProxy(t, config)
	client, stop := stack.ServeUntil(t, viaProxy)
	// The login waits for its COMMIT while the service is told to stop.
	release := proxy.HoldCommits(1)
	answered := make(chan error, 1)
	go func() {
		_, err := client.Login(context.WithoutCancel(t.Context()), "admin", "admin")
		answered <- err
	}()
	proxy.AwaitHeld(t)
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		stop()
	}()
	stack.Eventually(t, wait, func() error { return stack.RefusesConnections(t.Context(), client) })
	release()
	if err := <-answered; err != nil {
		t.Errorf("the request under way: %v", err)
	}
	<-stopped
}
