package topicfile

import (
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json"

	"helfy/app/projection"
)

// line is one record as it stands in a file.
type line struct {
	Offset    int64     `json:"offset"`
	Timestamp time.Time `json:"timestamp"`
	Value     *string   `json:"value,omitzero"`
	Base64    []byte    `json:"base64,omitzero"`
}

// encode returns a record's line with its end.
func encode(record projection.Record) ([]byte, error) {
	l := line{Offset: record.Offset, Timestamp: record.At.UTC()}
	if utf8.Valid(record.Value) && record.Value != nil {
		text := string(record.Value)
		l.Value = &text
	} else {
		l.Base64 = record.Value
	}
	text, err := json.Marshal(l)
	return append(text, '\n'), err
}

var errTwoValues = errors.New("it has both value and base64")

// decode reads a line strictly. Topic and partition are not in it.
func decode(text []byte) (projection.Record, error) {
	var l line
	if err := json.Unmarshal(text, &l, json.RejectUnknownMembers(true)); err != nil {
		return projection.Record{}, err
	}
	record := projection.Record{Offset: l.Offset, At: l.Timestamp.UTC(), Value: l.Base64}
	switch {
	case l.Offset < 0:
		return projection.Record{}, fmt.Errorf("offset is %d", l.Offset)
	case l.Value != nil && l.Base64 != nil:
		return projection.Record{}, errTwoValues
	case l.Value != nil:
		record.Value = []byte(*l.Value)
	}
	return record, nil
}
