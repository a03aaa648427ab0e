package ocsf

import (
	"cmp"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"helfy/domain"
)

// productName is who reports the events.
const productName = "Helfy"

// hidden are the columns that are left out: no SIEM needs the hash of a
// session's token.
var hidden = []string{"token_hash"}

// Map writes an entry as an event. Of a row that was written by hand it takes
// what it can understand.
func Map(entry domain.AuditEntry) Event {
	if entry.Source == domain.SourceChange {
		return mapChange(entry)
	}
	return mapEvent(entry)
}

// mapChange writes a change of a row, or of a table.
func mapChange(entry domain.AuditEntry) Event {
	operation := entry.Operation()
	does, known := changes[operation]
	if !known {
		does = activity{entityManagement, other, operation, medium, success}
	}
	event := newEvent(entry, does, operation)
	event.Unmapped.Operation = operation
	of := func(row json.RawMessage) *entity {
		return &entity{Type: "row of " + entry.Table, Name: cmp.Or(entry.Username, entry.Table), UID: entry.RowKey, Data: cells(row)}
	}
	event.Entity = of(entry.Old)
	if entry.Old == nil {
		event.Entity = of(entry.New)
	} else if entry.New != nil {
		event.EntityResult = of(entry.New)
	}
	return event
}

// cells returns what is shown of a row.
func cells(row json.RawMessage) map[string]*string {
	var all map[string]*string
	if json.Unmarshal(row, &all) != nil {
		return nil
	}
	for _, name := range hidden {
		delete(all, name)
	}
	return all
}

// mapEvent writes what happened.
func mapEvent(entry domain.AuditEntry) Event {
	does, known := activities[entry.EventType]
	if !known {
		does = activity{entityManagement, other, string(entry.EventType), informational, success}
	}
	event := newEvent(entry, does, string(entry.EventType))
	told, err := entry.Event()
	if err == nil {
		event.Metadata.OriginalTime = told.OccurredAt.UTC().Format(time.RFC3339Nano)
	}
	var payload map[string]any
	if json.Unmarshal([]byte(told.Payload), &payload) == nil {
		event.Unmapped.Payload = payload
	}
	var origin domain.Origin
	if json.Unmarshal([]byte(told.Metadata), &origin) == nil {
		event.from(origin)
	}
	switch does.class {
	case authentication:
		event.authenticates(entry, payload)
	case accountChange:
		event.User = userOf(entry)
	default:
		about := entityTypes[entry.EventType]
		name, _ := payload[about[1]].(string)
		event.Entity = &entity{Type: cmp.Or(about[0], "event"), Name: cmp.Or(name, string(entry.EventType)), UID: told.AggregateID}
	}
	return event
}

// authenticates sets what a login or its end has besides.
func (e *Event) authenticates(entry domain.AuditEntry, payload map[string]any) {
	e.User, e.Service = userOf(entry), &named{productName}
	if e.Actor != nil {
		e.Session = e.Actor.Session
	}
	e.StatusDetail, _ = payload["reason"].(string)
	if count, ok := payload["count"].(float64); ok {
		e.Count = int(count)
	}
	if e.StatusDetail == string(domain.FailureFlood) {
		e.SeverityID, e.Severity = medium, severityNames[medium]
	}
}

// userOf returns who an event is about. The schema wants a name or an id.
func userOf(entry domain.AuditEntry) *user {
	u := &user{Name: entry.Username}
	if entry.UserID != 0 {
		u.UID = entry.UserID.String()
	}
	if *u == (user{}) {
		u.Name = "unknown"
	}
	return u
}

// from sets where an event came from.
func (e *Event) from(origin domain.Origin) {
	if origin.IP != "" {
		e.Source = &endpoint{origin.IP}
	}
	if origin.RequestID != "" || origin.UserAgent != "" {
		e.Request = &httpRequest{UID: origin.RequestID, UserAgent: origin.UserAgent}
	}
	id, isUser := strings.CutPrefix(origin.Actor, "user:")
	switch {
	case isUser:
		e.Actor = &actor{User: &user{UID: id}}
	case origin.Actor != "" && origin.Actor != "anonymous":
		e.Actor = &actor{AppName: origin.Actor}
	default:
		return
	}
	if origin.SessionID != "" {
		e.Actor.Session = &identified{origin.SessionID}
	}
}

// newEvent sets what every event has.
func newEvent(entry domain.AuditEntry, does activity, code string) Event {
	class := classNames[does.class]
	return Event{
		ActivityID: does.id, ActivityName: does.name, CategoryUID: category, CategoryName: "Identity & Access Management",
		ClassUID: does.class, ClassName: class, TypeUID: does.class*100 + does.id, TypeName: class + ": " + does.name,
		Time:       domain.TimeOfTSO(entry.CommitTs).UnixMilli(),
		SeverityID: does.severity, Severity: severityNames[does.severity], StatusID: does.status, Status: statusNames[does.status],
		Metadata: metadata{
			Version: Version, Product: product{Name: productName, Vendor: productName}, UID: entry.ID(), EventCode: code,
			LogName: entry.Table, Correlation: strconv.FormatUint(entry.CommitTs, 10), Sequence: entry.Seq,
		},
		Unmapped: unmappedCells{Source: string(entry.Source)},
	}
}
