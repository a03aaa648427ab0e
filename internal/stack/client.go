package stack

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"helfy/service"
)

// Entry is an entry of GET /api/audit.
type Entry struct {
	ID          string             `json:"id"`
	CommitTs    string             `json:"commitTs"`
	CommittedAt time.Time          `json:"committedAt"`
	Source      string             `json:"source"`
	EventType   string             `json:"eventType"`
	Operation   string             `json:"operation"`
	Table       string             `json:"table"`
	UserID      *int64             `json:"userId"`
	Username    *string            `json:"username"`
	IP          *string            `json:"ip"`
	Seq         *uint64            `json:"seq"`
	Old         map[string]*string `json:"old"`
	New         map[string]*string `json:"new"`
}

// AuditPage is the answer of GET /api/audit.
type AuditPage struct {
	Entries         []Entry    `json:"entries"`
	Next            *string    `json:"next"`
	CompleteThrough *time.Time `json:"completeThrough"`
	DeadLetters     int64      `json:"deadLetters"`
	Gaps            []struct {
		From *time.Time `json:"from"`
		To   time.Time  `json:"to"`
	} `json:"gaps"`
}

// Client calls a running service.
type Client struct {
	Base string
	http http.Client
}

// NewClient returns a client of the service at base, http://host:port.
func NewClient(base string) *Client {
	return &Client{Base: base, http: http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 64}}}
}

// Do sends a request with a JSON body, or none if body is empty, and returns
// the answer and its body; see ReadAnswer.
func (c *Client) Do(ctx context.Context, method, path, token, body string) (*http.Response, []byte, error) {
	return c.DoKeyed(ctx, method, path, token, "", body)
}

// DoKeyed is Do with an Idempotency-Key, unless it is empty.
func (c *Client) DoKeyed(ctx context.Context, method, path, token, key, body string) (*http.Response, []byte, error) {
	request, err := http.NewRequestWithContext(ctx, method, c.Base+path, bytes.NewReader([]byte(body)))
	if err != nil {
		return nil, nil, err
	}
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	if key != "" {
		request.Header.Set("Idempotency-Key", key)
	}
	response, err := c.http.Do(request)
	if err != nil {
		return nil, nil, err
	}
	text, err := ReadAnswer(response)
	return response, text, err
}

// StatusError is an answer that is no success.
type StatusError struct {
	Status int
	Body   string
}

// Error implements error.
func (e *StatusError) Error() string { return fmt.Sprintf("status %d: %s", e.Status, e.Body) }

// Login returns the token of a new session. An answer other than 200 is a
// *StatusError.
func (c *Client) Login(ctx context.Context, username, password string) (string, error) {
	body, err := json.Marshal(map[string]string{"username": username, "password": password})
	if err != nil {
		return "", err
	}
	response, text, err := c.Do(ctx, http.MethodPost, "/api/login", "", string(body))
	if err != nil {
		return "", err
	}
	if response.StatusCode != http.StatusOK {
		return "", &StatusError{response.StatusCode, string(text)}
	}
	var answer struct{ Token string }
	return answer.Token, json.Unmarshal(text, &answer)
}

// Audit returns one page of the audit log.
func (c *Client) Audit(ctx context.Context, token, query string) (AuditPage, error) {
	response, text, err := c.Do(ctx, http.MethodGet, "/api/audit"+query, token, "")
	if err != nil {
		return AuditPage{}, err
	}
	if response.StatusCode != http.StatusOK {
		return AuditPage{}, &StatusError{response.StatusCode, string(text)}
	}
	var page AuditPage
	return page, json.Unmarshal(text, &page)
}

// WholeAudit returns all entries, newest first, page by page.
func (c *Client) WholeAudit(ctx context.Context, token string) ([]Entry, error) {
	var entries []Entry
	query := "?limit=500"
	for {
		page, err := c.Audit(ctx, token, query)
		if err != nil {
			return nil, err
		}
		entries = append(entries, page.Entries...)
		if page.Next == nil {
			return entries, nil
		}
		query = "?limit=500&cursor=" + *page.Next
	}
}

// Run runs the whole service in this process until the test ends and returns
// a client of it. Who serves and who consumes have an account each. stop ends it earlier.
func Run(t testing.TB, config service.Config) (client *Client, stop func()) {
	t.Helper()
	if config.MetricsAddress != "" { // which only one can have
		return start(t, config, As(config, "run").Run)
	}
	return start(t, config, func(ctx context.Context, log *slog.Logger, ready func(string)) error {
		group, ctx := errgroup.WithContext(ctx)
		group.Go(func() error { return As(config, "serve").Serve(ctx, log, ready) })
		group.Go(func() error { return As(config, "consume").Consume(ctx, log) })
		return group.Wait()
	})
}

// Serve is Run without the consumers.
func Serve(t testing.TB, config service.Config) *Client {
	t.Helper()
	client, _ := ServeUntil(t, config)
	return client
}

// ServeUntil is Serve with a way to end it earlier.
func ServeUntil(t testing.TB, config service.Config) (client *Client, stop func()) {
	t.Helper()
	return start(t, config, As(config, "serve").Serve)
}

func start(
	t testing.TB, config service.Config, run func(context.Context, *slog.Logger, func(string)) error,
) (client *Client, stop func()) {
	t.Helper()
	log, err := config.NewLogger(testWriter{t})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	address, ended := make(chan string, 1), make(chan struct{})
	go func() {
		defer close(ended)
		if err := run(ctx, log, func(at string) { address <- at }); err != nil {
			t.Error(err)
		}
	}()
	stop = func() { cancel(); <-ended }
	t.Cleanup(stop)
	select {
	case at := <-address:
		return NewClient("http://" + at), stop
	case <-ended:
		t.Fatal("the service did not start")
		return nil, nil
	}
}

// Work lets what is asked for over HTTP be done to projections, from now on
// until the test ends, without consumers.
func Work(t testing.TB, config service.Config) {
	t.Helper()
	log, err := config.NewLogger(testWriter{t})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- As(config, "consume").Work(ctx, log) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	AwaitWorker(t, config)
}

// testWriter puts log lines into the test's output.
type testWriter struct{ t testing.TB }

func (w testWriter) Write(line []byte) (int, error) {
	w.t.Log(string(bytes.TrimSpace(line)))
	return len(line), nil
}

// RunUntilLog runs the consumers until a log line has the text, and fails the
// test when none comes.
func RunUntilLog(t testing.TB, config service.Config, text string) {
	t.Helper()
	lines := make(chan string, 1024)
	log, err := config.NewLogger(lineWriter(lines))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- As(config, "consume").Consume(ctx, log) }()
	for found := false; !found && ctx.Err() == nil; {
		select {
		case line := <-lines:
			found = strings.Contains(line, text)
		case <-ctx.Done():
			t.Errorf("no log line has %q", text)
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// lineWriter passes lines on and drops them when nobody reads.
type lineWriter chan<- string

func (w lineWriter) Write(line []byte) (int, error) {
	select {
	case w <- string(line):
	default:
	}
	return len(line), nil
}
