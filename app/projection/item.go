package projection

import (
	"strings"

	"helfy/canaljson"
)

// Projection is a pure function of messages.
type Projection[R any] interface {
	// Project returns the rows that a *canaljson.Change or a *canaljson.DDL
	// stands for, or an error that says why it cannot be understood. It must
	// depend on nothing but its arguments.
	Project(record Record, message canaljson.Message) ([]R, error)
}

// Item is what a projection made of one record.
type Item[R any] struct {
	Record Record
	Rows   []R
	// Watermark is the TSO that the record promises, 0 if it is not a
	// watermark.
	Watermark uint64
	// DeadLetter says why nothing could be made of the record, empty if
	// something could.
	DeadLetter string
}

// Project decodes a record and makes an item of it. It never fails: what
// cannot be understood is a dead letter. The message is nil if the record
// could not be decoded.
func Project[R any](projection Projection[R], record Record) (canaljson.Message, Item[R]) {
	item := Item[R]{Record: record}
	message, err := canaljson.Decode(record.Value)
	if err != nil {
		item.DeadLetter = reason(err.Error())
		return nil, item
	}
	switch m := message.(type) {
	case *canaljson.Watermark:
		item.Watermark = m.Ts
		return message, item
	case *canaljson.Unsupported:
		item.DeadLetter = reason("unsupported message: " + m.Reason)
		return message, item
	}
	item.Rows, err = projection.Project(record, message)
	if err != nil {
		item.DeadLetter = reason(err.Error())
		item.Rows = nil
	}
	return message, item
}

// maxReason bounds a dead letter's reason in bytes: it may quote the record.
const maxReason = 1000

// reason cuts a text that quotes too much.
func reason(text string) string {
	if len(text) > maxReason {
		text = text[:maxReason] + "…"
	}
	return strings.ToValidUTF8(text, "\uFFFD")
}

// rejection is the reason of a record that the database has rejected, without
// what was being done, so that each generation has the same.
func rejection(err error) string {
	text := err.Error()
	return reason(text[max(0, strings.Index(text, ErrRejected.Error())):])
}
