package projection

import (
	"fmt"

	"helfy/canaljson"
	"helfy/domain"
)

// LoginsName is the name of the projection of login statistics.
const LoginsName = "logins"

// LoginEvent is what one event counts in the login statistics. CommitTs and
// RowKey identify it, as they do in the audit log.
type LoginEvent struct {
	CommitTs uint64
	RowKey   string
	Measure  domain.LoginMeasure // domain.Logins, LoginFailures or Lockouts
	// Count is how many the event stands for, at least 1.
	Count int64
	// UserID is who logged in, 0 for any other event.
	UserID domain.UserID
	// Lag is domain.LagCell of the time from the commit to the record's
	// timestamp, in milliseconds as both are. An event that was sent several
	// times has the least.
	Lag int64
}

// maxFloodCount bounds what one event may count. An outbox row written by hand
// can say anything.
const maxFloodCount = 1_000_000_000

// Logins makes a LoginEvent of each event of a login, of its refusal and of a
// lock. Database is the name of the database that is fed.
type Logins struct{ Database string }

// Project implements Projection.
func (l Logins) Project(record Record, message canaljson.Message) ([]LoginEvent, error) {
	change, ok := message.(*canaljson.Change)
	if !ok || change.Table != outboxTable || change.Operation != canaljson.Insert {
		return nil, nil
	}
	if err := requireFed(change, l.Database); err != nil {
		return nil, err
	}
	row := reader{row: change.New}
	event := LoginEvent{
		CommitTs: change.CommitTs, Count: 1,
		Lag: domain.LagCell(record.At.UnixMilli() - domain.TimeOfTSO(change.CommitTs).UnixMilli()),
	}
	switch domain.EventType(row.text("type")) {
	case domain.LoginSuccess:
		event.Measure = domain.Logins
		if row.text("aggregatetype") == domain.AggregateUser {
			event.UserID = domain.UserID(row.integer("aggregateid"))
		}
	case domain.LoginFailure:
		event.Measure = domain.LoginFailures
		event.Count = row.failures()
	case domain.UserLocked:
		event.Measure = domain.Lockouts
	default:
		return nil, row.err
	}
	var err error
	if event.RowKey, err = rowKey(change); row.err == nil {
		row.err = err
	}
	if row.err != nil {
		return nil, row.err
	}
	return []LoginEvent{event}, nil
}

// failures returns how many refused logins a LOGIN_FAILURE stands for.
func (r *reader) failures() int64 {
	var payload struct {
		Reason domain.FailureReason `json:"reason"`
		Count  int64                `json:"count"`
	}
	r.object("payload", &payload)
	if payload.Reason != domain.FailureFlood {
		return 1
	}
	if r.err == nil && (payload.Count < 1 || payload.Count > maxFloodCount) {
		r.err = fmt.Errorf("column %q: a flood of %d refused logins, want 1 to %d", "payload", payload.Count, maxFloodCount)
	}
	return payload.Count
}
