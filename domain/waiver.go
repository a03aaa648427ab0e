package domain

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// ChainWaivers is the chain of the events that waive dead letters.
var ChainWaivers = Chain{AggregateType: "waiver", AggregateID: "dead-letters"}

// Waiver says that projections may do without a message that they could not
// understand. It is the payload of DeadLetterWaived.
type Waiver struct {
	// Projections are the names of those that it holds for.
	Projections []string `json:"projections"`
	Topic       string   `json:"topic"`
	// TopicID is what Kafka gave the topic: a recreated one has another.
	TopicID   string `json:"topicId"`
	Partition int32  `json:"partition"`
	Offset    int64  `json:"offset"`
	// Digest is the SHA-256 of the message, in lower-case hex.
	Digest string `json:"digest"`
	// Reason and By say why, and who answers for it: a person, in words.
	Reason string `json:"reason"`
	By     string `json:"by"`
}

// The greatest lengths of a waiver's texts, in characters.
const (
	MaxWaiverReason = 500
	MaxWaiverBy     = 64
)

// The greatest lengths of a waiver's other members.
const (
	maxWaiverProjections = 16
	maxProjectionName    = 32
	maxTopicName         = 249
	maxTopicID           = 36
)

var sha256Hex = regexp.MustCompile(`^[0-9a-f]{64}$`)

// Check returns an error that names the member which is not as it must be.
func (w Waiver) Check() error {
	if len(w.Projections) == 0 || len(w.Projections) > maxWaiverProjections {
		return fmt.Errorf("projections: %d names, 1 to %d are allowed", len(w.Projections), maxWaiverProjections)
	}
	for _, name := range w.Projections {
		if err := checkText("projections", name, maxProjectionName); err != nil {
			return err
		}
	}
	if w.Partition < 0 || w.Offset < 0 {
		return errors.New("partition, offset: must not be negative")
	}
	if !sha256Hex.MatchString(w.Digest) {
		return errors.New("digest: must be a SHA-256 in lower-case hex")
	}
	return errors.Join(
		checkText("topic", w.Topic, maxTopicName), checkText("topicId", w.TopicID, maxTopicID),
		checkText("reason", w.Reason, MaxWaiverReason), checkText("by", w.By, MaxWaiverBy),
	)
}

// checkText checks a text of one line.
func checkText(member, text string, limit int) error {
	switch length := utf8.RuneCountInString(text); {
	case strings.TrimSpace(text) == "":
		return fmt.Errorf("%s: must not be empty", member)
	case length > limit:
		return fmt.Errorf("%s: %d characters, at most %d are allowed", member, length, limit)
	case !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl):
		return fmt.Errorf("%s: must be one line of text in UTF-8", member)
	}
	return nil
}

// WaiveDeadLetter makes the event of a waiver, as the link after head.
func WaiveDeadLetter(keyring *Keyring, head Head, waiver Waiver, occurrence Occurrence) (Event, Head) {
	return keyring.Append(head, Event{
		ID: occurrence.EventID, AggregateType: ChainWaivers.AggregateType, AggregateID: ChainWaivers.AggregateID,
		Type: DeadLetterWaived, Payload: marshal(waiver), Metadata: marshal(occurrence.Origin),
		OccurredAt: occurrence.At.UTC().Truncate(time.Microsecond),
	})
}

// Waived is a waiver that the trail has, and the event that has it.
type Waived struct {
	Waiver
	EventID  string
	CommitTs uint64
}

// Waivers returns the waivers that the verifier has met, in the order of their
// commits. Only those count whose event is sealed: without a keyring there is
// none.
func (v *Verifier) Waivers() []Waived { return v.waivers }

// waive takes in the waiver of a genuine event.
func (v *Verifier) waive(link *link) {
	waived := Waived{EventID: link.event.ID, CommitTs: link.CommitTs}
	if v.keyring == nil || link.event.Chain() != ChainWaivers ||
		json.Unmarshal([]byte(link.event.Payload), &waived.Waiver) != nil || waived.Check() != nil {
		return
	}
	v.waivers = append(v.waivers, waived)
}
