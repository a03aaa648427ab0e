package domain

import (
	"encoding/json"
	"strconv"
	"time"
	"unicode/utf8"
)

// FailureReason says why a login was refused. It stands in the event, never
// in the answer.
type FailureReason string

// The reasons for a refused login.
const (
	WrongPassword FailureReason = "wrong_password"
	UnknownUser   FailureReason = "unknown_user"
	UserDisabled  FailureReason = "user_disabled"
	BadCredential FailureReason = "credential_mac_mismatch"
	// FailureLocked refuses a try during a lock, whatever its password is.
	FailureLocked FailureReason = "locked"
	// FailureFlood stands for many refusals, of any reason.
	FailureFlood FailureReason = "flood"
)

// Counts reports whether such a refusal brings a lock nearer.
func (r FailureReason) Counts() bool {
	return r == WrongPassword || r == UnknownUser || r == BadCredential
}

// AggregateUnknown is the aggregatetype of the events of names that nobody
// has. They share a fixed set of chains, so that guessing names cannot grow
// the database without bound.
const AggregateUnknown = "unknown"

// unknownChains is the size of that set, unknownSubjects the number of
// subjects that their tries are counted under.
const (
	unknownChains   = 16
	unknownSubjects = 4096
)

// maskedAll is a name of which nothing is shown.
const maskedAll = "***"

// UnknownName is a name that nobody has: masked, because it may be a password
// typed into the wrong field, with a fingerprint by which the same name,
// without regard to case, can be recognised by whoever has the key.
type UnknownName struct {
	Masked      string
	Fingerprint string
	// Chain takes its events.
	Chain Chain
	// Subject names its tries.
	Subject string
}

// MaskName hides all but the first two characters of a name of more than
// four, and all of a shorter one.
func MaskName(keyring *Keyring, name string) UnknownName {
	_, mac := keyring.Seal("helfy-unknown-name-v1", fold(name))
	masked := maskedAll
	if utf8.RuneCountInString(name) > 4 {
		runes := []rune(name)
		masked = string(runes[:2]) + masked
	}
	bucket, _ := strconv.ParseUint(mac[:4], 16, 16) // the first digits of a hex string
	return UnknownName{
		Masked: masked, Fingerprint: mac[:16],
		Chain:   Chain{AggregateUnknown, strconv.FormatUint(bucket%unknownChains, 10)},
		Subject: AggregateUnknown + ":" + strconv.FormatUint(bucket%unknownSubjects, 10),
	}
}

// FailUnknownLogin makes the event of a refused login of a name that nobody
// has, as the link after head.
func FailUnknownLogin(keyring *Keyring, head Head, name UnknownName, occurrence Occurrence) (Event, Head) {
	return failUnknown(keyring, name.Chain, head, occurrence, struct {
		Username    string        `json:"username"`
		Fingerprint string        `json:"usernameFingerprint"`
		Reason      FailureReason `json:"reason"`
	}{name.Masked, name.Fingerprint, UnknownUser})
}

func failUnknown(keyring *Keyring, chain Chain, head Head, occurrence Occurrence, payload any) (Event, Head) {
	return keyring.Append(head, Event{
		ID: occurrence.EventID, AggregateType: chain.AggregateType, AggregateID: chain.AggregateID, Type: LoginFailure,
		Payload: marshal(payload), Metadata: marshal(occurrence.Origin),
		OccurredAt: occurrence.At.UTC().Truncate(time.Microsecond),
	})
}

// failureReason returns why a login was refused, empty if the event does not
// tell.
func (e Event) failureReason() FailureReason {
	var payload struct {
		Reason FailureReason `json:"reason"`
	}
	if json.Unmarshal([]byte(e.Payload), &payload) != nil {
		return ""
	}
	return payload.Reason
}
