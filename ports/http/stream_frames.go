package http

import (
	"encoding/json"
	"slices"
	"time"

	"helfy/app/live"
	"helfy/app/query"
	"helfy/domain"
)

// StreamFrames implements live.Encoder with server-sent events.
type StreamFrames struct{}

var _ live.Encoder = StreamFrames{}

// Entry implements live.Encoder.
func (StreamFrames) Entry(position string, entry domain.AuditEntry) []byte {
	return newFrame("entry", position, newAuditEntry(entry))
}

// Finding implements live.Encoder.
func (StreamFrames) Finding(found query.Finding) []byte {
	return newFrame("finding", "", newFinding(found))
}

// Complete implements live.Encoder.
func (StreamFrames) Complete(complete live.Completeness) []byte {
	notice := completeNotice{CompleteThrough: query.CompleteThroughTime(complete.Through), DeadLetters: complete.DeadLetters}
	if through := notice.CompleteThrough; through != nil {
		lag := complete.At.Sub(*through).Round(time.Millisecond).Seconds()
		notice.LagSeconds = &lag
	}
	return newFrame("complete", "", notice)
}

type resetNotice struct {
	Reason string `json:"reason"`
}

// completeNotice is how complete the log is, as viewers are told. Clocks of two
// machines are compared, so that the lag can be negative.
type completeNotice struct {
	CompleteThrough *time.Time `json:"completeThrough"`
	LagSeconds      *float64   `json:"lagSeconds"`
	DeadLetters     int64      `json:"deadLetters"`
}

// newFrame returns an event; its data is one line, as JSON can be. It is nil
// for what has no form in JSON.
func newFrame(event, id string, data any) []byte {
	text, err := json.Marshal(data)
	if err != nil {
		return nil
	}
	frame := slices.Concat([]byte("event: "), []byte(event), []byte("\ndata: "), text, []byte("\n"))
	if id != "" {
		frame = slices.Concat(frame, []byte("id: "), []byte(id), []byte("\n"))
	}
	return append(frame, '\n')
}
