package cli_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestProbeFailsUnlessTheAnswerIs200(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/busy" {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		_, _ = w.Write([]byte("as it is"))
	}))
	defer server.Close()
	for _, test := range []struct {
		url, want string
		code      int
	}{
		{server.URL + "/readyz", "as it is", 0},
		{server.URL + "/busy", "503 Service Unavailable: as it is", 1},
		{"http://127.0.0.1:1/", "probe: Get", 1},
		{"127.0.0.1:1", "probe", 1},
		{"\x7f", "probe", 1},
	} {
		code, stdout, stderr := run(t, "", "probe", test.url)
		if code != test.code || !strings.Contains(stdout+stderr, test.want) {
			t.Errorf("probe %q: exit code %d, want %d: %s%s", test.url, code, test.code, stdout, stderr)
		}
	}
}
