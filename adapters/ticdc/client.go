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
	// requestTimeout bounds one call. TiCDC answers the removal of a changefeed
	// only when it is done, for which it allows itself a minute.
	requestTimeout = 10 * time.Second
	removeTimeout  = 75 * time.Second
	// maxAnswer bounds what is read of an answer.
	maxAnswer = 4 << 20
	// maxQuoted bounds what is told of an answer that is none of TiCDC's.
	maxQuoted = 200
)

// Client calls one TiCDC server, which passes on to the owner what only the
// owner can do. It is safe for concurrent use.
type Client struct {
	base string
	http *http.Client
}

// NewClient returns a client of the server at base, such as
// http://127.0.0.1:8300.
func NewClient(base string) *Client {
	return &Client{base: strings.TrimSuffix(base, "/"), http: &http.Client{
		// An order that is sent on as a GET would be an order that is not done.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// call sends a request and decodes the answer into answer, nil for none.
func (c *Client) call(ctx context.Context, method, path string, body []byte, answer any) error {
	timeout := requestTimeout
	if method == http.MethodDelete {
		timeout = removeTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	status, text, err := c.do(ctx, method, path, body)
	if err != nil {
		return err
	}
	if status/100 != 2 {
		return apiError(status, text)
	}
	if answer == nil {
		return nil
	}
	if err := json.Unmarshal(text, answer); err != nil {
		return fmt.Errorf("%w: TiCDC's answer to %s %s is no JSON (%w): %s", errNotTiCDC, method, path, err, quote(text))
	}
	return nil
}

// errNotTiCDC says that who answered is not TiCDC, or was cut short.
var errNotTiCDC = errors.New("the answer cannot be understood; look whether TICDC_URL is TiCDC's address")

func (c *Client) do(ctx context.Context, method, path string, body []byte) (status int, text []byte, err error) {
	request, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(body))
	if err != nil {
		return 0, nil, fmt.Errorf("make request to TiCDC: %w", err)
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := c.http.Do(request)
	if err != nil {
		return 0, nil, fmt.Errorf("call TiCDC: %w", err)
	}
	defer func() { err = errors.Join(err, response.Body.Close()) }()
	text, err = io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return 0, nil, fmt.Errorf("read TiCDC's answer to %s %s: %w", method, path, err)
	}
	if response.StatusCode/100 == 3 {
		return 0, nil, fmt.Errorf("%w: it was sent on to %q", errNotTiCDC, withoutSecrets(response.Header.Get("Location")))
	}
	return response.StatusCode, text, nil
}

// quote returns the beginning of an answer for a message.
func quote(text []byte) string {
	return fmt.Sprintf("%q", withoutSecrets(strings.TrimSpace(string(text[:min(len(text), maxQuoted)]))))
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
	TargetTs uint64         `json:"target_ts"`
	SinkURI  string         `json:"sink_uri"`
	Config   map[string]any `json:"config"`
}

// get returns a changefeed, or nil if there is none of that id.
func (c *Client) get(ctx context.Context, id string) (*details, error) {
	var found details
	err := c.call(ctx, http.MethodGet, changefeedPath(id), nil, &found)
	if hasCode(err, codeNotExists) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	found.State = stateOf(found.State)
	if found.State == "removed" {
		return nil, nil
	}
	if found.State == "warning" && found.Error == nil {
		found.Error = c.warning(ctx, id)
	}
	return &found, nil
}

// warning returns what a changefeed meets while it tries again, which TiCDC
// tells only here; nil if that is not known.
func (c *Client) warning(ctx context.Context, id string) *Fault {
	var status struct {
		Error   *Fault `json:"last_error"`
		Warning *Fault `json:"last_warning"`
	}
	if c.call(ctx, http.MethodGet, changefeedPath(id)+"/status", nil, &status) != nil {
		return nil // it is told without
	}
	if status.Warning != nil {
		return status.Warning
	}
	return status.Error
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
