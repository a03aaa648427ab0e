package stack

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// Event is a server-sent event.
type Event struct {
	// ID is the last id that was sent, with this event or before.
	ID, Name, Data string
}

// Watcher is a viewer of GET /api/audit/stream.
type Watcher struct {
	// Events is closed when the stream has ended.
	Events <-chan Event
	cancel context.CancelFunc
	// last is the last id, also without an event.
	mu   sync.Mutex
	last string
	err  error
}

// Watch opens the audit stream, which ends with the test. Query begins with ?
// or is empty, as lastID is for now. An answer other than 200 is a *StatusError.
func (c *Client) Watch(t testing.TB, token, query, lastID string) (*Watcher, error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.Base+"/api/audit/stream"+query, nil)
	if err != nil {
		cancel()
		return nil, err
	}
	request.Header.Set("Authorization", "Bearer "+token)
	if lastID != "" {
		request.Header.Set("Last-Event-ID", lastID)
	}
	// Without the client's timeout.
	response, err := (&http.Client{Transport: c.http.Transport}).Do(request)
	if err != nil {
		cancel()
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		defer cancel()
		text, err := io.ReadAll(response.Body)
		if err := errors.Join(err, response.Body.Close()); err != nil {
			return nil, err
		}
		return nil, &StatusError{response.StatusCode, string(text)}
	}
	events, ended := make(chan Event), make(chan struct{})
	w := &Watcher{Events: events, cancel: cancel, last: lastID}
	go func() {
		defer close(ended)
		defer close(events)
		err := w.read(ctx, response.Body, events)
		_ = response.Body.Close()
		w.mu.Lock()
		defer w.mu.Unlock()
		w.err = err
	}()
	t.Cleanup(func() { cancel(); <-ended })
	return w, nil
}

// read parses as
// https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
func (w *Watcher) read(ctx context.Context, body io.Reader, events chan<- Event) error {
	lines := bufio.NewReader(body)
	var event Event
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			return err
		}
		line = strings.TrimSuffix(line, "\n")
		name, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch {
		case line == "":
			event.ID = w.keep(event.ID)
			if event.Data != "" {
				select {
				case events <- event:
				case <-ctx.Done():
					return ctx.Err()
				}
			}
			event = Event{}
		case name == "id":
			event.ID = value
		case name == "event":
			event.Name = value
		case name == "data":
			event.Data += value
		}
	}
}

// keep remembers an id, if there is one, and returns the last one.
func (w *Watcher) keep(id string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if id != "" {
		w.last = id
	}
	return w.last
}

// LastID returns the last id that was sent.
func (w *Watcher) LastID() string { return w.keep("") }

// Close ends the stream.
func (w *Watcher) Close() {
	w.cancel()
	for range w.Events { //nolint:revive // until the reader has ended
	}
}

// Next returns the next event of a name, and fails when none comes.
func (w *Watcher) Next(t testing.TB, timeout time.Duration, name string) Event {
	t.Helper()
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	for {
		select {
		case event, ok := <-w.Events:
			if !ok {
				t.Fatalf("the stream ended before %q: %v", name, w.failure())
			}
			if event.Name == name {
				return event
			}
		case <-timer.C:
			t.Fatalf("no %q within %s", name, timeout)
		}
	}
}

// Entry returns the next entry.
func (w *Watcher) Entry(t testing.TB, timeout time.Duration) Entry {
	t.Helper()
	var entry Entry
	event := w.Next(t, timeout, "entry")
	if err := json.Unmarshal([]byte(event.Data), &entry); err != nil {
		t.Fatalf("%s: %v", event.Data, err)
	}
	return entry
}

// AwaitEnd waits until the other side ends the stream, and fails if it does
// not.
func (w *Watcher) AwaitEnd(t testing.TB, timeout time.Duration) {
	t.Helper()
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	for {
		select {
		case _, ok := <-w.Events:
			if !ok {
				return
			}
		case <-timer.C:
			t.Fatalf("the stream goes on after %s", timeout)
		}
	}
}

func (w *Watcher) failure() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err
}

// ReadAnswer reads an answer's body to its end and closes it; of a stream, which
// has none, it reads what comes first.
func ReadAnswer(response *http.Response) ([]byte, error) {
	if response.Header.Get("Content-Type") != "text/event-stream" {
		text, err := io.ReadAll(response.Body)
		return text, errors.Join(err, response.Body.Close())
	}
	var text []byte
	lines := bufio.NewReader(response.Body)
	for {
		line, err := lines.ReadBytes('\n')
		text = append(text, line...)
		if err != nil {
			return text, errors.Join(fmt.Errorf("read a stream: %w", err), response.Body.Close())
		}
		if len(line) == 1 {
			return text, response.Body.Close()
		}
	}
}
