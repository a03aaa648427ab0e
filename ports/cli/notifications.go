package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"helfy/app/notification"
)

type notificationCommands struct {
	List  notificationsList  `cmd:"" help:"List the newest notifications."`
	Retry notificationsRetry `cmd:"" help:"Send again what was given up."`
}

type notificationsList struct {
	State string `enum:"all,pending,sent,dead,expired" default:"all" help:"Only those that are ${enum}."`
	Limit int    `default:"100" help:"How many."`
	JSON  bool   `help:"Print a JSON line each."`
}

// notificationLine is a notification as it is printed.
type notificationLine struct {
	ID         string               `json:"id"`
	Channel    notification.Channel `json:"channel"`
	State      notification.State   `json:"state"`
	CreatedAt  time.Time            `json:"createdAt"`
	Tries      int                  `json:"tries"`
	NextTryAt  *time.Time           `json:"nextTryAt"`
	FinishedAt *time.Time           `json:"finishedAt"`
	Reason     string               `json:"reason,omitempty"`
	Body       json.RawMessage      `json:"body"`
}

// Run implements the command.
func (l notificationsList) Run(s session) error {
	if l.Limit < 1 {
		return fmt.Errorf("--limit: want at least 1, got %d", l.Limit)
	}
	config, err := s.config(false)
	if err != nil {
		return err
	}
	state := notification.State(l.State)
	if l.State == "all" {
		state = ""
	}
	all, err := config.Notifications(s.ctx, state, l.Limit)
	if err != nil {
		return err
	}
	for _, stored := range all {
		if err := l.print(s, stored); err != nil {
			return fmt.Errorf("print notification %s: %w", stored.ID, err)
		}
	}
	return nil
}

func (l notificationsList) print(s session, stored notification.Stored) error {
	if l.JSON {
		out := json.NewEncoder(s.stdout)
		out.SetEscapeHTML(false)
		return out.Encode(newNotificationLine(stored))
	}
	subject, _, err := notification.Text(stored.Notification)
	if err != nil {
		return err
	}
	reason := ""
	if stored.Reason != "" {
		reason = "\n    " + printable(stored.Reason)
	}
	return s.say("%s  %s  %-7s  %-7s  tries %d  %s%s", stored.CreatedAt.Format("2006-01-02T15:04:05Z07:00"), stored.ID,
		stored.Channel, stored.State, stored.Tries, printable(subject), reason)
}

func newNotificationLine(stored notification.Stored) notificationLine {
	line := notificationLine{
		ID: stored.ID, Channel: stored.Channel, State: stored.State, CreatedAt: stored.CreatedAt, Tries: stored.Tries,
		Reason: stored.Reason, Body: stored.Body,
	}
	if stored.State == notification.Pending {
		line.NextTryAt = &stored.NextTryAt
	} else {
		line.FinishedAt = &stored.FinishedAt
	}
	return line
}

type notificationsRetry struct {
	ID  string `arg:"" optional:"" help:"Which one, dead or expired."`
	All bool   `help:"All that are dead."`
}

// Run implements the command.
func (r notificationsRetry) Run(s session) error {
	if (r.ID == "") != r.All {
		return errors.New("want an id or --all")
	}
	config, err := s.config(false)
	if err != nil {
		return err
	}
	count, err := config.RetryNotifications(s.ctx, r.ID)
	if err != nil {
		return err
	}
	if count == 0 && !r.All {
		return fmt.Errorf("%s is no notification that was given up", r.ID)
	}
	return s.say("%d notifications are due again", count)
}
