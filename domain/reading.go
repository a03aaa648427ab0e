package domain

import (
	"maps"
	"time"
)

// AggregateReader is the aggregatetype of the events that tell who has read
// the audit trail. They are a chain for each reader: not that of the user, who
// does not change by reading.
const AggregateReader = "reader"

// Reading is what somebody reads of the audit trail, the payload of AuditRead.
type Reading struct {
	UserID   UserID `json:"userId"`
	Username string `json:"username"`
	// Route is what was asked, such as "GET /api/audit".
	Route string `json:"route"`
	// Filter is what was asked for, by the names of the route's parameters,
	// without what only turns the pages.
	Filter map[string]string `json:"filter"`
}

// Chain returns the chain of the reader.
func (r Reading) Chain() Chain { return Chain{AggregateReader, r.UserID.String()} }

// Masked returns the reading with one of its parameters masked, as MaskName
// masks the name of a login, and its fingerprint beside it.
func (r Reading) Masked(keyring *Keyring, parameter string) Reading {
	name := MaskName(keyring, r.Filter[parameter])
	r.Filter = maps.Clone(r.Filter)
	r.Filter[parameter], r.Filter[parameter+"Fingerprint"] = name.Masked, name.Fingerprint
	return r
}

// ReadAudit makes the event of a reading, as the link after head.
func ReadAudit(keyring *Keyring, head Head, reading Reading, occurrence Occurrence) (Event, Head) {
	chain := reading.Chain()
	return keyring.Append(head, Event{
		ID: occurrence.EventID, AggregateType: chain.AggregateType, AggregateID: chain.AggregateID,
		Type: AuditRead, Payload: marshal(reading), Metadata: marshal(occurrence.Origin),
		OccurredAt: occurrence.At.UTC().Truncate(time.Microsecond),
	})
}
