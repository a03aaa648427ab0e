package ticdc

import (
	"context"
	"errors"
	"fmt"
	"net/http"
)

// ErrNoChangefeed says that TiCDC has no changefeed of an id.
var ErrNoChangefeed = errors.New("no such changefeed")

// Status returns how a changefeed is doing, or ErrNoChangefeed.
func (c *Client) Status(ctx context.Context, id string) (Status, error) {
	found, err := c.get(ctx, id)
	if err != nil {
		return Status{}, fmt.Errorf("look at changefeed %s: %w", id, err)
	}
	if found == nil {
		return Status{}, fmt.Errorf("changefeed %s: %w", id, ErrNoChangefeed)
	}
	return found.Status, nil
}

// Look returns how a changefeed is doing and where it is not as it must be, a
// sentence each, or ErrNoChangefeed.
func (c *Client) Look(ctx context.Context, feed Changefeed) (Status, []string, error) {
	found, err := c.get(ctx, feed.ID)
	if err != nil {
		return Status{}, nil, fmt.Errorf("look at changefeed %s: %w", feed.ID, err)
	}
	if found == nil {
		return Status{}, nil, fmt.Errorf("changefeed %s: %w", feed.ID, ErrNoChangefeed)
	}
	differences, err := differences(feed, found)
	return found.Status, differences, err
}

// Pause stops a changefeed until Resume.
func (c *Client) Pause(ctx context.Context, id string) error { return c.control(ctx, id, "pause") }

// Resume lets a changefeed go on from where it stopped.
func (c *Client) Resume(ctx context.Context, id string) error { return c.control(ctx, id, "resume") }

func (c *Client) control(ctx context.Context, id, verb string) error {
	// TiCDC's classic architecture wants a body to resume.
	if err := c.call(ctx, http.MethodPost, changefeedPath(id)+"/"+verb, []byte("{}"), &struct{}{}); err != nil {
		return fmt.Errorf("%s changefeed %s: %w", verb, id, err)
	}
	return nil
}
