//go:build nginx

package web_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"helfy/domain"
	"helfy/internal/stack"
)

// loopback is where nginx comes from.
var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}

// first and second are where processes of the API listen, as two containers
// would.
const (
	first  = "127.0.0.2"
	second = "127.0.0.3"
	third  = "127.0.0.4"
)

// ownWay are headers in which nginx may differ.
var ownWay = []string{"Date", "Server", "Connection", "Accept-Ranges", "Last-Modified", "Etag", "Content-Length", "X-Request-Id", "Transfer-Encoding"}

func TestFilesThatNginxServesHaveTheHeadersThatTheAPIWouldSend(t *testing.T) {
	s := newSite(t, stack.New(t), first)
	client := &http.Client{Transport: &http.Transport{DisableCompression: true}}
	direct := s.direct(first)
	var files int
	err := fs.WalkDir(os.DirFS(absolute(t, "web")), "assets", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		files++
		for _, coding := range []string{"", "gzip"} {
			headers := map[string]string{"Accept-Encoding": coding}
			got, body := get(t, client, s.Base+"/"+name, headers)
			want, wanted := get(t, client, direct.Base+"/"+name, headers)
			compareHeaders(t, name+" "+coding, got.Header, want.Header)
			if got.StatusCode != want.StatusCode || !bytes.Equal(plain(t, got, body), plain(t, want, wanted)) {
				t.Errorf("%s %s: status %d, want %d, or another content", name, coding, got.StatusCode, want.StatusCode)
			}
			if got.Header.Get("Etag") == "" || got.Header.Get("X-Request-Id") == "" {
				t.Errorf("%s: no ETag or no X-Request-Id: %v", name, got.Header)
			}
			headers["If-None-Match"] = got.Header.Get("Etag")
			if again, _ := get(t, client, s.Base+"/"+name, headers); again.StatusCode != http.StatusNotModified {
				t.Errorf("%s %s: status %d to who has it, want 304", name, coding, again.StatusCode)
			}
		}
		return nil
	})
	if err != nil || files < 20 {
		t.Fatalf("%d files, %v", files, err)
	}
	s.apis[first].Kill()
	if response, _ := get(t, client, s.Base+"/assets/helfy.svg", nil); response.StatusCode != http.StatusOK {
		t.Errorf("without the API a file is answered %d", response.StatusCode)
	}
}

func compareHeaders(t *testing.T, what string, got, want http.Header) {
	t.Helper()
	for name := range want {
		if !slices.Contains(ownWay, name) && got.Get(name) != want.Get(name) {
			t.Errorf("%s: %s is %q, of the API %q", what, name, got.Get(name), want.Get(name))
		}
	}
	for name := range got {
		if !slices.Contains(ownWay, name) && want.Get(name) == "" {
			t.Errorf("%s: nginx adds %s: %q", what, name, got.Get(name))
		}
	}
}

func plain(t *testing.T, response *http.Response, body []byte) []byte {
	t.Helper()
	if response.Header.Get("Content-Encoding") != "gzip" {
		return body
	}
	reader, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(reader)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestPagesAndErrorsAreThoseOfTheAPI(t *testing.T) {
	s := newSite(t, stack.New(t), first)
	client := &http.Client{
		Transport:     &http.Transport{DisableCompression: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	direct := s.direct(first)
	for _, path := range []string{
		"/", "/dashboard", "/nowhere", "/assets/nowhere.js", "/assets/", "/assets", "/assets/../web.go", "/assets/%2e%2e/web.go",
		"/api/nowhere", "/api/audit", "/openapi.json", "/docs", "/livez", "/readyz", "/health", "/metrics",
	} {
		headers := map[string]string{"Accept": "text/html"}
		got, body := get(t, client, s.Base+path, headers)
		want, wanted := get(t, client, direct.Base+path, headers)
		if got.StatusCode != want.StatusCode || !bytes.Equal(body, wanted) {
			t.Errorf("%s: status %d, of the API %d, or another body: %s", path, got.StatusCode, want.StatusCode, body)
		}
		compareHeaders(t, path, got.Header, want.Header)
	}
	for _, path := range []string{"/assets/helfy.svg", "/assets/nowhere", "/"} {
		got, body, err := s.Do(t.Context(), http.MethodPost, path, "", "{}")
		if err != nil {
			t.Fatal(err)
		}
		want, wanted, err := direct.Do(t.Context(), http.MethodPost, path, "", "{}")
		if err != nil {
			t.Fatal(err)
		}
		if got.StatusCode != want.StatusCode || !bytes.Equal(body, wanted) {
			t.Errorf("POST %s: status %d %s, of the API %d %s", path, got.StatusCode, body, want.StatusCode, wanted)
		}
	}
}

func TestTheLogHasTheClientsAddressAndBelievesNobodyElsewhere(t *testing.T) {
	config := stack.New(t)
	s := newSite(t, config, first)
	stack.Start(t, config, "consume")
	const client = "127.0.0.9"
	from := &http.Client{Transport: &http.Transport{
		DialContext: (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(client)}}).DialContext,
	}}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.Base+"/api/login?cookie=true",
		strings.NewReader(`{"username":"admin","password":"admin"}`))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{
		"Content-Type": "application/json", "X-Forwarded-For": "203.0.113.7", "X-Real-IP": "203.0.113.7",
		"Forwarded": "for=203.0.113.7;proto=https", "X-Forwarded-Proto": "https", "X-Request-Id": "as-the-client-says",
		"Origin": s.Base,
	} {
		request.Header.Set(name, value)
	}
	response, err := from.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	if text, err := stack.ReadAnswer(response); err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("status %d, %s, %v", response.StatusCode, text, err)
	}
	if response.Header.Get("Strict-Transport-Security") != "" || strings.HasPrefix(response.Header.Get("Set-Cookie"), "__Host-") {
		t.Error("a client that says that it speaks TLS is believed")
	}
	token := s.login(t, "admin")
	var entry stack.Entry
	stack.Eventually(t, patience, func() error {
		page, err := s.Audit(t.Context(), token, "?eventType=LOGIN_SUCCESS&ip="+client)
		if err != nil {
			return err
		}
		if len(page.Entries) != 1 {
			return fmt.Errorf("%d logins of %s", len(page.Entries), client)
		}
		entry = page.Entries[0]
		return nil
	})
	var metadata struct{ RequestID string }
	if err := json.Unmarshal([]byte(*entry.New["metadata"]), &metadata); err != nil || metadata.RequestID != "as-the-client-says" {
		t.Errorf("the log has the request %q, %v", metadata.RequestID, err)
	}
	stack.Eventually(t, patience, func() error {
		log, err := os.ReadFile(s.access)
		if err == nil && !bytes.Contains(log, []byte(`"client":"`+client+`","method":"POST","path":"/api/login"`)) {
			err = fmt.Errorf("nginx's log has nothing of %s: %s", client, log)
		}
		return err
	})
}

func TestTheStreamArrivesAtOnceAndStaysOpenWhileNothingHappens(t *testing.T) {
	config := stack.New(t)
	s := newSite(t, config, first)
	stack.AddUser(t, config, "other", domain.RoleUser)
	token := s.login(t, "admin")
	// Two viewers, one of them without nginx: what is late comes late to both.
	direct, err := s.direct(first).Watch(t, token, "?user=other&eventType=LOGIN_SUCCESS", "")
	if err != nil {
		t.Fatal(err)
	}
	through, err := s.Watch(t, token, "?user=other&eventType=LOGIN_SUCCESS", "")
	if err != nil {
		t.Fatal(err)
	}
	// The stream is so thin that a buffer of nginx would hold it back for longer.
	const soon = 10 * time.Second
	compare := func() {
		s.login(t, "other")
		want := direct.Entry(t, patience)
		arrived := time.Now()
		got := through.Entry(t, soon)
		t.Logf("through nginx %s later", time.Since(arrived).Round(time.Microsecond))
		if got.ID != want.ID {
			t.Errorf("the event %s, without nginx %s", got.ID, want.ID)
		}
	}
	compare()
	// Without a changefeed there are not even watermarks: heartbeats only.
	if err := config.PauseChangefeed(t.Context()); err != nil {
		t.Fatal(err)
	}
	stack.Pause(t, 40*time.Second)
	if err := config.ResumeChangefeed(t.Context()); err != nil {
		t.Fatal(err)
	}
	compare()
}

func TestWhatAKilledProcessWouldHaveAnsweredIsAnsweredByAnother(t *testing.T) {
	s := newSite(t, stack.New(t), first, second)
	logged := func() []string {
		log, err := os.ReadFile(s.access)
		if err != nil {
			t.Fatal(err)
		}
		return slices.Collect(strings.Lines(string(log)))
	}
	used := func() map[string]int {
		count := map[string]int{}
		before, lines := len(logged()), []string(nil)
		for range 30 {
			s.login(t, "admin")
		}
		// nginx writes a line after the answer.
		stack.Eventually(t, patience, func() error {
			if lines = logged()[before:]; len(lines) != 30 {
				return fmt.Errorf("nginx has logged %d of 30 requests", len(lines))
			}
			return nil
		})
		for _, line := range lines {
			var said struct{ Upstream string }
			if err := json.Unmarshal([]byte(line), &said); err != nil {
				t.Fatal(err)
			}
			all := strings.Split(said.Upstream, ", ")
			host, _, err := net.SplitHostPort(all[len(all)-1])
			if err != nil {
				t.Fatal(err)
			}
			count[host]++
		}
		return count
	}
	if count := used(); count[first] == 0 || count[second] == 0 {
		t.Errorf("of 30 logins %v", count)
	}
	s.apis[first].Kill() // and DNS still has its address
	if count := used(); count[second] != 30 {
		t.Errorf("of 30 logins after the one was killed %v", count)
	}
	s.start(t, third)
	s.names.set(second, third)
	stack.Eventually(t, patience, func() error {
		if count := used(); count[third] == 0 {
			return fmt.Errorf("nobody is sent to the new process: %v", count)
		}
		return nil
	})
	s.apis[second].Kill()
	s.apis[third].Kill()
	response, text, err := s.Do(t.Context(), http.MethodPost, "/api/login", "", `{"username":"admin","password":"admin"}`)
	if err != nil {
		t.Fatal(err)
	}
	requireProblem(t, response, text, http.StatusServiceUnavailable)
	if response.Header.Get("Retry-After") == "" {
		t.Error("nobody says when to try again")
	}
}

func requireProblem(t *testing.T, response *http.Response, text []byte, status int) {
	t.Helper()
	var problem struct {
		Title  string
		Status int
	}
	if err := json.Unmarshal(text, &problem); err != nil || problem.Status != status || response.StatusCode != status {
		t.Errorf("status %d, %s, want the problem %d", response.StatusCode, text, status)
	}
	if response.Header.Get("Content-Type") != "application/problem+json" || response.Header.Get("X-Content-Type-Options") != "nosniff" ||
		response.Header.Get("Cache-Control") != "no-store" || response.Header.Get("Content-Security-Policy") == "" {
		t.Errorf("its headers are %v", response.Header)
	}
}

func TestWhatIsTooLargeIsRefused(t *testing.T) {
	s := newSite(t, stack.New(t), first)
	for _, size := range []int{100 << 10, 300 << 10} { // by the API, and before it
		response, text, err := s.Do(t.Context(), http.MethodPost, "/api/login", "", `{"username":"`+strings.Repeat("a", size)+`"}`)
		if err != nil {
			t.Fatal(err)
		}
		requireProblem(t, response, text, http.StatusRequestEntityTooLarge)
	}
}

func TestAnExportIsPassedOnAsItComesAndItsBreakIsToo(t *testing.T) {
	config := stack.New(t)
	s := newSite(t, config, first)
	stack.Start(t, config, "consume")
	token := s.login(t, "admin")
	stack.Eventually(t, patience, func() error { // the log has a live generation
		page, err := s.Audit(t.Context(), token, "")
		if err == nil && len(page.Entries) == 0 {
			err = errors.New("the log is empty")
		}
		return err
	})
	const entries = 40_000 // more than the buffers between take
	stack.FillLog(t, config, entries)
	headers := map[string]string{"Authorization": "Bearer " + token}
	_, whole := get(t, http.DefaultClient, s.Base+"/api/audit/export?format=jsonl", headers)
	if lines := bytes.Count(whole, []byte("\n")); lines < entries {
		t.Errorf("%d lines, want %d at least", lines, entries)
	}
	if temporary, err := filepath.Glob(filepath.Join(filepath.Dir(s.access), "proxy", "*", "*", "*")); err != nil || len(temporary) > 0 {
		t.Errorf("nginx has kept it in %q, %v", temporary, err)
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.Base+"/api/audit/export?format=jsonl", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+token)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = response.Body.Close() }) // it is cut off
	if _, err := io.ReadFull(response.Body, make([]byte, 1000)); err != nil {
		t.Fatal(err)
	}
	s.apis[first].Kill()
	rest, err := io.ReadAll(response.Body)
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("the transfer ended well after %d bytes: %v", len(rest), err)
	}
}
