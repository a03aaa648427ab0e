package domain

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"
)

// EventType names what happened.
type EventType string

// The types of events.
const (
	LoginSuccess EventType = "LOGIN_SUCCESS"
	LoginFailure EventType = "LOGIN_FAILURE"
	Logout       EventType = "LOGOUT"
	// SessionRevoked ends a session from outside of it.
	SessionRevoked EventType = "SESSION_REVOKED"
	SessionExpired EventType = "SESSION_EXPIRED"
	// SessionForged tells of a session that the service did not write.
	SessionForged EventType = "SESSION_FORGED"
	UserCreated   EventType = "USER_CREATED"
	// AccountDisabled, PasswordChanged and PasswordReset end sessions too.
	AccountDisabled EventType = "USER_DISABLED"
	AccountEnabled  EventType = "USER_ENABLED"
	PasswordChanged EventType = "PASSWORD_CHANGED"
	PasswordReset   EventType = "PASSWORD_RESET"
	RoleChanged     EventType = "ROLE_CHANGED"
	UsernameChanged EventType = "USERNAME_CHANGED"
	UserDeleted     EventType = "USER_DELETED"
	// AuditRead tells who has read the audit trail.
	AuditRead EventType = "AUDIT_READ"
	// DeadLetterWaived lets projections do without a message that they could
	// not understand.
	DeadLetterWaived EventType = "DEAD_LETTER_WAIVED"
	// ProjectionRebuild, ProjectionRollback and DeadLetterRetry tell what an
	// administrator does to a projection, before it is done.
	ProjectionRebuild  EventType = "PROJECTION_REBUILD"
	ProjectionRollback EventType = "PROJECTION_ROLLBACK"
	DeadLetterRetry    EventType = "DEAD_LETTER_RETRY"
	// SchemaChangeAnnounced comes before a migration, SchemaChangeDone after
	// it.
	SchemaChangeAnnounced EventType = "SCHEMA_CHANGE_ANNOUNCED"
	SchemaChangeDone      EventType = "SCHEMA_CHANGE_DONE"
	// UserLocked begins a time in which logins are refused.
	UserLocked   EventType = "USER_LOCKED"
	UserUnlocked EventType = "USER_UNLOCKED"
)

// Event is one link of a chain: what happened to an aggregate, and why. Its
// hash is an HMAC over every other member, the hash of the link before it
// included.
type Event struct {
	// ID is a UUID, the identity of the event everywhere.
	ID            string
	AggregateType string
	AggregateID   string
	Type          EventType
	// Payload and Metadata are JSON objects. They are hashed as they stand.
	Payload  string
	Metadata string
	// Seq counts the events of the aggregate from 1.
	Seq      uint64
	PrevHash string
	Hash     string
	KeyID    string
	// OccurredAt is in UTC, to the microsecond.
	OccurredAt time.Time
}

// Chain names the chain of events of one aggregate.
type Chain struct {
	AggregateType string
	AggregateID   string
}

// String returns the names joined by a slash.
func (c Chain) String() string { return c.AggregateType + "/" + c.AggregateID }

// UserID returns the user whose chain it is, and false if it is nobody's.
func (c Chain) UserID() (UserID, bool) {
	id, err := strconv.ParseInt(c.AggregateID, 10, 64)
	return UserID(id), err == nil && c.AggregateType == AggregateUser
}

// Chain returns the chain that the event belongs to.
func (e Event) Chain() Chain { return Chain{e.AggregateType, e.AggregateID} }

// Head is the end of a chain: the sequence number and hash of its last event.
// The zero value is an empty chain.
type Head struct {
	Seq  uint64
	Hash string
}

// Origin is where a request came from; it becomes the metadata of its events.
type Origin struct {
	// Actor says who acted: "user:1", "anonymous", "cli".
	Actor       string `json:"actor"`
	SessionID   string `json:"sessionId,omitempty"`
	IP          string `json:"ip,omitempty"`
	UserAgent   string `json:"userAgent,omitempty"`
	RequestID   string `json:"requestId,omitempty"`
	Traceparent string `json:"traceparent,omitempty"`
}

// eventLabel names the version of the layout of hashed fields.
const eventLabel = "helfy-event-v1"

// maxSeq leaves room for the events of one transaction before the number
// overflows. Only a number that somebody wrote by hand comes so far.
const maxSeq = math.MaxUint64 - 16

// ErrChainFull says that a chain's number cannot grow.
var ErrChainFull = errors.New("the chain's sequence number cannot grow: it was not written by the service")

// CheckRoom returns ErrChainFull if the chain cannot go on.
func (h Head) CheckRoom() error {
	if h.Seq > maxSeq {
		return fmt.Errorf("%w (%d)", ErrChainFull, h.Seq)
	}
	return nil
}

// Append seals event as the link after head and returns it with the new head.
// ID, AggregateType, AggregateID, Type, Payload, Metadata and OccurredAt must
// be set.
func (k *Keyring) Append(head Head, event Event) (Event, Head) {
	event.Seq = head.Seq + 1
	event.PrevHash = head.Hash
	event.KeyID = k.current
	_, event.Hash = k.Seal(eventLabel, event.hashed()...)
	return event, Head{Seq: event.Seq, Hash: event.Hash}
}

// VerifyEvent reports whether the event's hash is the one that Append made.
func (k *Keyring) VerifyEvent(event Event) bool {
	return k.Verify(event.KeyID, event.Hash, eventLabel, event.hashed()...)
}

func (e Event) hashed() []string {
	return []string{
		e.ID, e.AggregateType, e.AggregateID, string(e.Type), e.Payload, e.Metadata,
		strconv.FormatUint(e.Seq, 10), e.PrevHash, e.KeyID, FormatTime(e.OccurredAt),
	}
}

// eventColumns names the hashed fields as the outbox does.
var eventColumns = [...]string{
	"id", "aggregatetype", "aggregateid", "type", "payload", "metadata", "seq", "prev_hash", "key_id", "occurred_at",
}

// Differences returns the names of the outbox's columns in which two events
// differ.
func (e Event) Differences(other Event) []string {
	var names []string
	mine, others := e.hashed(), other.hashed()
	for i, name := range eventColumns {
		if mine[i] != others[i] {
			names = append(names, name)
		}
	}
	if e.Hash != other.Hash {
		names = append(names, "hash")
	}
	return names
}

// FormatTime writes a time as DATETIME(6) columns show it: UTC, no zone.
func FormatTime(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05.000000") }

// marshal is for values of our own types, which always have a JSON form.
func marshal(value any) string {
	text, err := json.Marshal(value)
	if err != nil {
		panic(fmt.Sprintf("domain: %T has no JSON form: %v", value, err))
	}
	return string(text)
}
