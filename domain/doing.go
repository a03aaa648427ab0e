package domain

import "time"

// AggregateAdmin is the aggregatetype of the events that tell what an
// administrator has done to the projections. They are a chain for each
// administrator, not that of the user, who does not change by it.
const AggregateAdmin = "admin"

// Doing is what an administrator does to a projection, the payload of
// ProjectionRebuild, ProjectionRollback and DeadLetterRetry.
type Doing struct {
	UserID     UserID `json:"userId"`
	Username   string `json:"username"`
	Projection string `json:"projection,omitempty"`
	// Verify and AcceptDiff are those of a rebuild.
	Verify     bool `json:"verify,omitempty"`
	AcceptDiff bool `json:"acceptDiff,omitempty"`
	// Place is where a dead letter is, as TOPIC/PARTITION/OFFSET.
	Place string `json:"place,omitempty"`
}

// Chain returns the chain of the administrator's doings.
func (d Doing) Chain() Chain { return Chain{AggregateAdmin, d.UserID.String()} }

// Do makes the event of a doing, as the link after head.
func Do(keyring *Keyring, head Head, eventType EventType, doing Doing, occurrence Occurrence) (Event, Head) {
	chain := doing.Chain()
	return keyring.Append(head, Event{
		ID: occurrence.EventID, AggregateType: chain.AggregateType, AggregateID: chain.AggregateID,
		Type: eventType, Payload: marshal(doing), Metadata: marshal(occurrence.Origin),
		OccurredAt: occurrence.At.UTC().Truncate(time.Microsecond),
	})
}
