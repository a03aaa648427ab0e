// Package notification tells people and programs of logins from new places, of
// locks and of findings. It acts, so each is told of once, whatever comes again.
package notification

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/google/uuid"

	"helfy/app/projection"
	"helfy/domain"
)

// Type names what a notification tells.
type Type string

// The types.
const (
	NewPlace Type = "user.login.new_place"
	Locked   Type = "user.locked"
	Finding  Type = "audit.finding"
)

// Channel is a way to the receiver.
type Channel string

// The channels.
const (
	Webhook Channel = "webhook"
	Mail    Channel = "mail"
)

// Payload is what is sent.
type Payload struct {
	ID   string `json:"id"`
	Type Type   `json:"type"`
	// Timestamp is when it was committed, to the millisecond.
	Timestamp time.Time `json:"timestamp"`
	Data      Data      `json:"data"`
}

// Data says what happened. What does not apply or is not known is left out.
type Data struct {
	EventID  string        `json:"eventId,omitempty"`
	UserID   domain.UserID `json:"userId,omitempty"`
	Username string        `json:"username,omitempty"`
	IP       string        `json:"ip,omitempty"`
	Network  string        `json:"network,omitempty"`
	Device   string        `json:"device,omitempty"`

	New []PlaceKind `json:"new,omitempty"`

	Failures      int        `json:"failures,omitempty"`
	Until         *time.Time `json:"until,omitempty"`
	LockedNetwork string     `json:"lockedNetwork,omitempty"`

	Kind     domain.FindingKind `json:"kind,omitempty"`
	Detail   string             `json:"detail,omitempty"`
	Table    string             `json:"table,omitempty"`
	RowKey   string             `json:"rowKey,omitempty"`
	CommitTs string             `json:"commitTs,omitempty"`
}

// Message is a notification before it is known where it goes.
type Message struct {
	// source identifies what it tells of.
	source   string
	Type     Type
	CommitTs uint64
	Data     Data
}

// Notification is a message to one channel.
type Notification struct {
	// ID is a UUID, the same whenever it is made of the same.
	ID      string
	Channel Channel
	Type    Type
	Body    []byte // a Payload as JSON
}

// ids is the namespace of the ids of notifications.
var ids = uuid.MustParse("6f0b5a9e-1d0c-5c53-8f2a-3f2f0c5f8f11")

// To returns the notification that takes the message to a channel.
func (m Message) To(channel Channel) (Notification, error) {
	id := uuid.NewSHA1(ids, []byte(string(channel)+"\x00"+m.source)).String()
	body, err := json.Marshal(Payload{ID: id, Type: m.Type, Timestamp: domain.TimeOfTSO(m.CommitTs), Data: m.Data})
	if err != nil {
		return Notification{}, fmt.Errorf("write a notification of type %s: %w", m.Type, err)
	}
	return Notification{ID: id, Channel: channel, Type: m.Type, Body: body}, nil
}

// ofEvent returns the message that tells of an event.
func ofEvent(kind Type, notable projection.Notable) Message {
	return Message{source: "event\x00" + notable.EventID, Type: kind, CommitTs: notable.CommitTs, Data: Data{
		EventID: notable.EventID, UserID: notable.UserID, Username: notable.Username,
		IP: notable.IP, Network: domain.NetworkOf(notable.IP), Device: notable.Device,
	}}
}

// OfFinding returns the message that tells of a finding. A finding that is
// derived again gives the same.
func OfFinding(f domain.Finding) Message {
	commitTs := strconv.FormatUint(f.CommitTs, 10)
	source := "finding\x00" + commitTs + "\x00" + f.Table + "\x00" + f.RowKey + "\x00" + string(f.Kind)
	return Message{source: source, Type: Finding, CommitTs: f.CommitTs, Data: Data{
		UserID: f.UserID, Username: f.Username, Kind: f.Kind, Detail: f.Detail, Table: f.Table, RowKey: f.RowKey, CommitTs: commitTs,
	}}
}
