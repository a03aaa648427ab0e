package ticdc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"strings"
)

// ErrChangefeedDiffers says that a changefeed exists, but not as it must be.
var ErrChangefeedDiffers = errors.New("changefeed differs")

// config is the part of a changefeed's configuration that decides what
// reaches which topic.
type config struct {
	Filter struct {
		Rules        []string      `json:"rules"`
		EventFilters []eventFilter `json:"event_filters"`
	} `json:"filter"`
	Sink struct {
		Protocol    string       `json:"protocol"`
		Dispatchers []dispatcher `json:"dispatchers"`
	} `json:"sink"`
}

type eventFilter struct {
	Matcher     []string `json:"matcher"`
	IgnoreEvent []string `json:"ignore_event"`
}

type dispatcher struct {
	Matcher   []string `json:"matcher"`
	Topic     string   `json:"topic"`
	Partition string   `json:"partition"`
	Columns   []string `json:"columns"`
}

// Ensure creates the changefeed if it is missing and otherwise checks it. It
// reports whether it created it. Its error names what differs, or the state
// of a changefeed that does not run.
func (c *Client) Ensure(ctx context.Context, feed Changefeed) (created bool, status Status, err error) {
	found, err := c.get(ctx, feed.ID)
	if err != nil {
		return false, Status{}, fmt.Errorf("look for changefeed %s: %w", feed.ID, err)
	}
	if found == nil {
		if created, err = c.create(ctx, feed); err != nil {
			return false, Status{}, err
		}
		if found, err = c.get(ctx, feed.ID); err != nil {
			return created, Status{}, fmt.Errorf("look at changefeed %s: %w", feed.ID, err)
		}
		if found == nil {
			return created, Status{}, fmt.Errorf("changefeed %s is gone again", feed.ID)
		}
	}
	return created, found.Status, check(feed, found)
}

// create reports false if somebody else created the changefeed meanwhile.
func (c *Client) create(ctx context.Context, feed Changefeed) (bool, error) {
	body, err := feed.createRequest()
	if err != nil {
		return false, err
	}
	err = c.call(ctx, http.MethodPost, "/api/v2/changefeeds", body, &struct{}{})
	var fault *APIError
	if errors.As(err, &fault) && strings.Contains(fault.Code, "ErrChangeFeedAlreadyExists") {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("create changefeed %s: %w", feed.ID, err)
	}
	return true, nil
}

// check compares a changefeed with what it must be.
func check(feed Changefeed, found *details) error {
	body, err := feed.createRequest()
	if err != nil {
		return err
	}
	var want struct {
		SinkURI string `json:"sink_uri"`
		Config  config `json:"replica_config"`
	}
	if err := json.Unmarshal(body, &want); err != nil {
		return fmt.Errorf("read changefeed definition: %w", err)
	}
	var faults []error
	differ := func(what string, got, want any) {
		if !reflect.DeepEqual(got, want) {
			faults = append(faults, fmt.Errorf("%w: %s has %s %v, want %v", ErrChangefeedDiffers, feed.ID, what, got, want))
		}
	}
	differ("filter rules", found.Config.Filter.Rules, want.Config.Filter.Rules)
	differ("event filters", found.Config.Filter.EventFilters, want.Config.Filter.EventFilters)
	differ("protocol", found.Config.Sink.Protocol, want.Config.Sink.Protocol)
	differ("dispatchers", found.Config.Sink.Dispatchers, want.Config.Sink.Dispatchers)
	differ("sink", sinkOf(found.SinkURI), sinkOf(want.SinkURI))
	if found.State != "normal" && found.State != "warning" {
		faults = append(faults, stateError(feed.ID, found.Status))
	}
	return errors.Join(faults...)
}

func stateError(id string, status Status) error {
	if status.Error != nil {
		return fmt.Errorf("changefeed %s is %s: %s", id, status.State, status.Error.Message)
	}
	return fmt.Errorf("changefeed %s is %s", id, status.State)
}

// sinkOf returns the part of a sink URI that says where messages go and how
// they look.
func sinkOf(uri string) string {
	parsed, err := url.Parse(uri)
	if err != nil {
		return uri
	}
	extension := parsed.Query().Get("enable-tidb-extension")
	return parsed.Host + parsed.Path + " enable-tidb-extension=" + extension
}
