package ticdc

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	requestTimeout = 10 * time.Second
	// maxAnswer bounds what is read of an answer.
	maxAnswer = 1 << 20
)

// APIError is an answer of TiCDC that is no success.
type APIError struct {
	Status  int
	Code    string `json:"error_code"`
	Message string `json:"error_msg"`
}

// Error implements error.
func (e *APIError) Error() string {
	return fmt.Sprintf("TiCDC answered %d %s: %s", e.Status, e.Code, withoutSecrets(e.Message))
}

// Client calls one TiCDC server. It is safe for concurrent use.
type Client struct {
	base string
	http *http.Client
}

// NewClient returns a client of the server at base, such as
// http://127.0.0.1:8300.
func NewClient(base string) *Client {
	return &Client{base: strings.TrimSuffix(base, "/"), http: &http.Client{Timeout: requestTimeout}}
}

// call sends a request and decodes the answer into answer.
func (c *Client) call(ctx context.Context, method, path string, body []byte, answer any) (err error) {
	request, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("make request to TiCDC: %w", err)
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := c.http.Do(request)
	if err != nil {
		return fmt.Errorf("call TiCDC: %w", err)
	}
	defer func() { err = errors.Join(err, response.Body.Close()) }()
	text, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("read TiCDC's answer: %w", err)
	}
	if response.StatusCode/100 != 2 {
		return apiError(response.StatusCode, text)
	}
	if err := json.Unmarshal(text, answer); err != nil {
		return fmt.Errorf("understand TiCDC's answer to %s %s: %w", method, path, err)
	}
	return nil
}

func apiError(status int, text []byte) error {
	fault := &APIError{}
	if json.Unmarshal(text, fault) != nil || fault.Message == "" {
		fault.Message = strings.TrimSpace(string(text[:min(len(text), 200)]))
	}
	fault.Status = status
	return fault
}

// Status is how a changefeed is doing.
type Status struct {
	// State is normal, warning, stopped, failed, finished or removed.
	State        string `json:"state"`
	StartTs      uint64 `json:"start_ts"`
	CheckpointTs uint64 `json:"checkpoint_ts"`
	Error        *Fault `json:"error"`
}

// Fault is the error that a changefeed has run into.
type Fault struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// String tells the error without the secrets of a sink URI.
func (f Fault) String() string {
	message := withoutSecrets(f.Message)
	if f.Code == "" || strings.Contains(message, f.Code) {
		return message
	}
	return f.Code + ": " + message
}

// details is what TiCDC knows of a changefeed.
type details struct {
	Status
	TargetTs uint64 `json:"target_ts"`
	SinkURI  string `json:"sink_uri"`
	Config   any    `json:"config"`
}

// get returns a changefeed, or nil if there is none of that id.
func (c *Client) get(ctx context.Context, id string) (*details, error) {
	var found details
	err := c.call(ctx, http.MethodGet, changefeedPath(id), nil, &found)
	var fault *APIError
	if errors.As(err, &fault) && strings.Contains(fault.Code, "ErrChangeFeedNotExists") {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	found.State = stateOf(found.State)
	return &found, nil
}

// stateOf gives a state its name: TiCDC's classic architecture has two more
// inside, which it does not always translate.
func stateOf(state string) string {
	switch state {
	case "":
		return "normal"
	case "pending":
		return "warning"
	}
	return state
}

func changefeedPath(id string) string { return "/api/v2/changefeeds/" + url.PathEscape(id) }
