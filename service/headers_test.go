package service_test

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/netip"
	"regexp"
	"strings"
	"testing"

	"helfy/domain"
	"helfy/internal/stack"
)

const dataPolicy = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"

func TestEveryAnswerTellsTheBrowserToDoNothingWithIt(t *testing.T) {
	config := stack.New(t)
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	client := stack.Serve(t, config)
	for _, test := range []struct {
		method, path, body string
		status             int
	}{
		{"POST", "/api/login", adminsLogin, 200},
		{"POST", "/api/login", `{"username":"admin","password":"wrong"}`, 401},
		{"POST", "/api/login", `{`, 400},
		{"POST", "/api/login", `{"username":"a","password":"` + strings.Repeat("x", 100_000) + `"}`, 413},
		{"GET", "/api/me", "", 401},
		{"GET", "/api/login", "", 405},
		{"GET", "/api/nothing", "", 404},
		{"GET", "/openapi.json", "", 200},
		{"GET", "/docs", "", 200},
		{"GET", "/health", "", 200},
	} {
		t.Run(test.method+" "+test.path, func(t *testing.T) {
			response, body := send(t, client, test.method, test.path, test.body, nil)
			if response.StatusCode != test.status {
				t.Fatalf("status %d %s, want %d", response.StatusCode, body, test.status)
			}
			for name, want := range map[string]string{
				"X-Content-Type-Options":       "nosniff",
				"X-Frame-Options":              "DENY",
				"Referrer-Policy":              "no-referrer",
				"Cross-Origin-Opener-Policy":   "same-origin",
				"Cross-Origin-Resource-Policy": "same-origin",
				"Permissions-Policy":           "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
				"Cache-Control":                "no-store",
				"Strict-Transport-Security":    "", // plain HTTP
			} {
				if got := response.Header.Get(name); got != want {
					t.Errorf("%s is %q, want %q", name, got, want)
				}
			}
			policy, _, _ := strings.Cut(response.Header.Get("Content-Security-Policy"), "; style-src")
			if policy != dataPolicy || len(response.Header.Values("Content-Security-Policy")) != 1 {
				t.Errorf("policy is %q", response.Header.Values("Content-Security-Policy"))
			}
		})
	}
}

func TestTheDocsAllowTheirOwnStyleAndNoOther(t *testing.T) {
	client := stack.Serve(t, stack.New(t))
	response, body := send(t, client, http.MethodGet, "/docs", "", nil)
	styles := regexp.MustCompile(`(?s)<style>(.*?)</style>`).FindAllSubmatch(body, -1)
	if len(styles) != 1 || strings.Contains(string(body), "style=") {
		t.Fatalf("the page has %d styles", len(styles))
	}
	hash := sha256.Sum256(styles[0][1])
	want := dataPolicy + "; style-src 'sha256-" + base64.StdEncoding.EncodeToString(hash[:]) + "'"
	if got := response.Header.Get("Content-Security-Policy"); got != want {
		t.Errorf("policy is %q, want %q", got, want)
	}
}

func TestOverTLSBrowsersAreToldToStayThere(t *testing.T) {
	config := stack.New(t)
	config.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
	client := stack.Serve(t, config)
	for proto, want := range map[string]string{"https": "max-age=31536000", "http": ""} {
		response, _ := send(t, client, http.MethodGet, "/api/nothing", "", map[string]string{"X-Forwarded-Proto": proto})
		if got := response.Header.Get("Strict-Transport-Security"); got != want {
			t.Errorf("%s: got %q, want %q", proto, got, want)
		}
	}
}
