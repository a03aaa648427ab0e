package ticdc

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"time"

	"helfy/app/command"
	"helfy/app/query"
)

// Feed is the changefeed that the service needs, at one TiCDC. It implements
// command.ChangefeedServer and is safe for concurrent use.
type Feed struct {
	client *Client
	want   Changefeed
}

var _ command.ChangefeedServer = Feed{}

// NewFeed returns the wanted changefeed at client's TiCDC.
func NewFeed(client *Client, want Changefeed) Feed { return Feed{client: client, want: want} }

// Ready reports whether TiCDC answers and can take orders.
func (c *Client) Ready(ctx context.Context) error {
	if err := c.call(ctx, http.MethodGet, "/api/v2/health", nil, nil); err != nil {
		return fmt.Errorf("ask TiCDC at %s for its health: %w", withoutSecrets(c.base), err)
	}
	return nil
}

// Version returns what TiCDC says that it is.
func (c *Client) Version(ctx context.Context) (string, error) {
	var status struct {
		Version string `json:"version"`
	}
	if err := c.call(ctx, http.MethodGet, "/api/v2/status", nil, &status); err != nil {
		return "", fmt.Errorf("ask TiCDC at %s for its version: %w", withoutSecrets(c.base), err)
	}
	return status.Version, nil
}

// Look implements command.ChangefeedServer.
func (f Feed) Look(ctx context.Context) (query.Changefeed, error) {
	found, err := f.client.get(ctx, f.want.ID)
	if err != nil {
		return query.Changefeed{}, fmt.Errorf("look at changefeed %s: %w", f.want.ID, err)
	}
	if found == nil {
		return query.Changefeed{State: query.ChangefeedMissing, Fault: "TiCDC has no changefeed " + f.want.ID}, nil
	}
	state := query.ChangefeedState(found.State)
	if !slices.Contains(query.ChangefeedStates, state) {
		return query.Changefeed{}, fmt.Errorf("look at changefeed %s: its state %q is not known: TiCDC is newer than this program", f.want.ID, found.State)
	}
	seen := query.Changefeed{State: state, StartTs: found.StartTs, CheckpointTs: found.CheckpointTs, KnownAt: time.Now()}
	if found.Error != nil {
		seen.Fault = found.Error.String()
	}
	all, err := differences(f.want, found)
	if err != nil {
		return query.Changefeed{}, err
	}
	for _, difference := range all {
		seen.Differ(difference)
	}
	return seen, nil
}

// Create implements command.ChangefeedServer.
func (f Feed) Create(ctx context.Context, startTs uint64) error {
	body, err := f.want.request()
	if err != nil {
		return err
	}
	body.StartTs = startTs
	err = f.send(ctx, http.MethodPost, "/api/v2/changefeeds", body)
	switch {
	case hasCode(err, codeAlreadyExists):
		return fmt.Errorf("create changefeed %s: %w", f.want.ID, command.ErrChangefeedExists)
	case hasCode(err, codeBeforeGC):
		return fmt.Errorf("create changefeed %s: %w: %w", f.want.ID, command.ErrBehindGC, err)
	case err != nil:
		return fmt.Errorf("create changefeed %s: %w", f.want.ID, err)
	}
	return nil
}

// Update implements command.ChangefeedServer.
func (f Feed) Update(ctx context.Context) error {
	body, err := f.want.request()
	if err != nil {
		return err
	}
	found, err := f.client.get(ctx, f.want.ID)
	if err != nil {
		return fmt.Errorf("look at changefeed %s: %w", f.want.ID, err)
	}
	if found != nil {
		body.Config = overlay(found.Config, body.Config)
	}
	body.ID = ""
	err = f.send(ctx, http.MethodPut, changefeedPath(f.want.ID), body)
	if hasCode(err, codeUpdateRefused) {
		return fmt.Errorf("update changefeed %s: %w: %w", f.want.ID, command.ErrUpdateRefused, err)
	}
	if err != nil {
		return fmt.Errorf("update changefeed %s: %w", f.want.ID, err)
	}
	return nil
}

// Pause implements command.ChangefeedServer.
func (f Feed) Pause(ctx context.Context) error { return f.order(ctx, "pause") }

// Resume implements command.ChangefeedServer.
func (f Feed) Resume(ctx context.Context) error {
	err := f.order(ctx, "resume")
	if hasCode(err, codeBeforeGC, codeGCTTL, codeGCSnapshot) {
		return fmt.Errorf("%w: %w", command.ErrBehindGC, err)
	}
	return err
}

// order gives an order. TiCDC's classic architecture wants a body to resume.
func (f Feed) order(ctx context.Context, verb string) error {
	if err := f.send(ctx, http.MethodPost, changefeedPath(f.want.ID)+"/"+verb, struct{}{}); err != nil {
		return fmt.Errorf("%s changefeed %s: %w", verb, f.want.ID, err)
	}
	return nil
}

// Remove implements command.ChangefeedServer.
func (f Feed) Remove(ctx context.Context) error {
	err := f.client.call(ctx, http.MethodDelete, changefeedPath(f.want.ID), nil, nil)
	if err != nil && !hasCode(err, codeNotExists) {
		return fmt.Errorf("remove changefeed %s: %w", f.want.ID, err)
	}
	return nil
}

func (f Feed) send(ctx context.Context, method, path string, body any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("write request to TiCDC: %w", err)
	}
	return f.client.call(ctx, method, path, text, nil)
}

// durations are members that TiCDC tells in nanoseconds and wants as text.
var durations = []string{"sync_point_interval", "sync_point_retention", "changefeed_error_stuck_duration"}

// overlay returns a configuration as TiCDC told it with the wanted one laid
// over it, as TiCDC's update wants it: it gives what is left out defaults of
// its own. Of the closed sections only what is wanted stays.
func overlay(found, want map[string]any) map[string]any {
	laid := overlayAt("config", found, want)
	for _, name := range durations {
		if nanoseconds, ok := laid[name].(float64); ok {
			laid[name] = time.Duration(nanoseconds).String()
		}
	}
	return laid
}

func overlayAt(path string, found, want map[string]any) map[string]any {
	laid := map[string]any{}
	if !slices.Contains(closed, path) {
		for name, value := range found {
			laid[name] = value
		}
	}
	for name, value := range want {
		below, isObject := value.(map[string]any)
		under, _ := found[name].(map[string]any)
		if isObject {
			value = overlayAt(path+"."+name, under, below)
		}
		laid[name] = value
	}
	return laid
}
