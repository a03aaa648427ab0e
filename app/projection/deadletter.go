package projection

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"helfy/domain"
)

// Place is where a record is in the topics.
type Place struct {
	Topic     string
	Partition int32
	Offset    int64
}

// String returns the form that ParsePlace reads.
func (p Place) String() string { return fmt.Sprintf("%s/%d/%d", p.Topic, p.Partition, p.Offset) }

// ParsePlace reads TOPIC/PARTITION/OFFSET.
func ParsePlace(text string) (Place, error) {
	parts := strings.Split(text, "/")
	if len(parts) != 3 || parts[0] == "" {
		return Place{}, fmt.Errorf("%q is not of the form TOPIC/PARTITION/OFFSET", text)
	}
	partition, err := strconv.ParseInt(parts[1], 10, 32)
	if err != nil || partition < 0 {
		return Place{}, fmt.Errorf("%q: the partition must be a number from 0", text)
	}
	offset, err := strconv.ParseInt(parts[2], 10, 64)
	if err != nil || offset < 0 {
		return Place{}, fmt.Errorf("%q: the offset must be a number from 0", text)
	}
	return Place{Topic: parts[0], Partition: int32(partition), Offset: offset}, nil
}

// DeadLetter is a record of which a generation of a projection could make
// nothing.
type DeadLetter struct {
	Projection string
	Generation int
	Place
	// TopicID is what Kafka gave the topic.
	TopicID string
	// Value is the record, or its beginning; Size is its whole length in bytes
	// and Digest its SHA-256, in lower-case hex.
	Value  []byte
	Size   int64
	Digest string
	Reason string
	// InKafkaAt is the record's timestamp, SeenAt when the projection met it;
	// zero if not known.
	InKafkaAt time.Time
	SeenAt    time.Time
	// Waived is the first waiver of it that is verified, nil while it is open.
	Waived *domain.Waived
}

// DeadLetterFilter chooses dead letters.
type DeadLetterFilter struct {
	Projection string
	// Generation is 0 for the live one.
	Generation int
	State      DeadLetterState // empty for any
	Place      *Place          // nil for any
}

// DeadLetterState says whether somebody answers for a dead letter.
type DeadLetterState string

// The states of a dead letter.
const (
	// DeadLetterOpen: the projection lacks it, and says so.
	DeadLetterOpen DeadLetterState = "open"
	// DeadLetterWaived: somebody has said that the projection may do without it.
	DeadLetterWaived DeadLetterState = "waived"
)

// Altered reports whether the bytes that are kept are others than those of the
// record, as far as they can tell.
func (d DeadLetter) Altered() bool {
	if int64(len(d.Value)) < d.Size {
		return false // only the beginning is at hand
	}
	return Record{Value: d.Value}.Digest() != d.Digest
}

// State returns the dead letter's state.
func (d DeadLetter) State() DeadLetterState {
	if d.Waived != nil {
		return DeadLetterWaived
	}
	return DeadLetterOpen
}

// ErrNoDeadLetter says that there is no such dead letter.
var ErrNoDeadLetter = errors.New("no such dead letter")
