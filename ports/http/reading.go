package http

import (
	"context"
	"strconv"
	"time"

	"helfy/app/command"
	"helfy/app/query"
	"helfy/domain"
)

// recordReading records that an administrator is about to read of the audit
// trail. The error is an answer of 503: nothing must be read then.
func recordReading(ctx context.Context, config Config, reader query.SignedIn, route string, filter map[string]string) error {
	origin := originOf(ctx)
	origin.SessionID = reader.SessionID
	err := config.RecordRead.Handle(ctx, command.RecordRead{
		Reading: domain.Reading{UserID: reader.UserID, Username: reader.Username, Route: route, Filter: filter},
		Origin:  origin,
	})
	if err != nil {
		return unavailable(ctx, config.Log, "record a reading", err)
	}
	return nil
}

// recorded returns the parameters that were set, without those that turn the
// pages.
func (i auditInput) recorded() map[string]string {
	set := map[string]string{}
	add := func(name, value string) {
		if value != "" {
			set[name] = value
		}
	}
	add("user", i.User)
	if i.UserID != 0 {
		add("userId", strconv.FormatInt(i.UserID, 10))
	}
	add("eventType", i.EventType)
	add("operation", i.Operation)
	add("table", i.Table)
	add("source", string(i.Source))
	add("ip", i.IP)
	for name, at := range map[string]time.Time{"from": i.From, "to": i.To} {
		if !at.IsZero() {
			add(name, at.UTC().Format(time.RFC3339Nano))
		}
	}
	if i.Reads {
		add("reads", "true")
	}
	return set
}
