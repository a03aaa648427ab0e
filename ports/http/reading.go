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
func recordReading(ctx context.Context, config Config, reader query.SignedIn, route string, filter parameters) error {
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

// parameters are those of a request that were set.
type parameters map[string]string

func (p parameters) add(name, value string) {
	if value != "" {
		p[name] = value
	}
}

func (p parameters) addID(name string, id int64) {
	if id != 0 {
		p[name] = strconv.FormatInt(id, 10)
	}
}

func (p parameters) addTime(name string, at time.Time) {
	if !at.IsZero() {
		p[name] = at.UTC().Format(time.RFC3339Nano)
	}
}

// recorded returns what was asked for, without what turns the pages.
func (i auditInput) recorded() parameters {
	set := i.AuditFilterInput.recorded()
	i.addTo(set)
	return set
}

// addTo adds the times that were asked for.
func (i AuditTimesInput) addTo(set parameters) {
	set.addTime("from", i.From)
	set.addTime("to", i.To)
}

// recorded returns what was asked for.
func (i exportInput) recorded() parameters {
	set := i.AuditFilterInput.recorded()
	i.addTo(set)
	set.add("format", i.Format)
	return set
}

// recorded returns what was asked for.
func (i AuditFilterInput) recorded() parameters {
	set := parameters{}
	set.add("user", i.User)
	set.addID("userId", i.UserID)
	set.add("eventType", i.EventType)
	set.add("operation", i.Operation)
	set.add("table", i.Table)
	set.add("source", string(i.Source))
	set.add("ip", i.IP)
	if i.Reads {
		set.add("reads", "true")
	}
	return set
}

// recorded returns what was asked for, without what turns the pages.
func (i findingsInput) recorded() parameters {
	set := parameters{}
	set.add("kind", string(i.Kind))
	set.addID("userId", i.UserID)
	return set
}
