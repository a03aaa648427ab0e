package ticdc

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// ErrChangefeedDiffers says that a changefeed exists, but not as it must be.
var ErrChangefeedDiffers = errors.New("changefeed differs")

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
	differences, err := differences(feed, found)
	if err != nil {
		return err
	}
	var faults []error
	for _, difference := range differences {
		faults = append(faults, fmt.Errorf("%w: %s: %s", ErrChangefeedDiffers, feed.ID, difference))
	}
	return errors.Join(append(faults, found.Fault(feed.ID))...)
}

// Fault returns what keeps the changefeed from running, nil if it runs.
func (s Status) Fault(id string) error {
	switch {
	case s.State == "normal" || s.State == "warning":
		return nil
	case s.Error != nil:
		return fmt.Errorf("changefeed %s is %s: %s", id, s.State, s.Error)
	default:
		return fmt.Errorf("changefeed %s is %s", id, s.State)
	}
}
