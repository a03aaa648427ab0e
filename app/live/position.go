package live

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/google/uuid"
)

// Position is a place in the topics, between records: it tells which records
// somebody has seen. As text it is short, has no spaces, and means the same to
// every process.
type Position struct {
	// topics are in the order of Config.Topics.
	topics []topicPosition
	// verified is the TSO up to which the findings were seen.
	verified uint64
}

// topicPosition is a place in one topic.
type topicPosition struct {
	id topicID
	// next is the offset of the first unseen record of each partition.
	next []int64
}

// topicID is the beginning of a topic's id in Kafka, which is random: enough to
// tell a topic from one that was made in its place.
type topicID [8]byte

func newTopicID(id string) (topicID, error) {
	parsed, err := uuid.Parse(id)
	if err != nil {
		return topicID{}, fmt.Errorf("id of a topic: %w", err)
	}
	return topicID(parsed[:8]), nil
}

// at returns the place in a partition: the beginning of one that was added
// since.
func (p Position) at(topic, partition int) int64 {
	if next := p.topics[topic].next; partition < len(next) {
		return next[partition]
	}
	return 0
}

// move sets the place in a partition.
func (p Position) move(topic, partition int, next int64) {
	of := &p.topics[topic]
	for len(of.next) <= partition {
		of.next = append(of.next, 0)
	}
	of.next[partition] = next
}

func (p Position) clone() Position {
	topics := slices.Clone(p.topics)
	for i := range topics {
		topics[i].next = slices.Clone(topics[i].next)
	}
	return Position{topics: topics, verified: p.verified}
}

// positionVersion is the first byte of a position; another form gets another.
const positionVersion = 1

// String returns the position as text, without padding and in the alphabet of
// base64url.
func (p Position) String() string {
	text := binary.AppendUvarint([]byte{positionVersion}, p.verified)
	for _, topic := range p.topics {
		text = append(text, topic.id[:]...)
		text = binary.AppendUvarint(text, uint64(len(topic.next)))
		for _, next := range topic.next {
			text = binary.AppendUvarint(text, uint64(next))
		}
	}
	return base64.RawURLEncoding.EncodeToString(text)
}

var errNoPosition = errors.New("not a position of this service")

// parsePosition reads what String returns for so many topics.
func parsePosition(text string, topics int) (Position, error) {
	rest, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(rest) == 0 || rest[0] != positionVersion {
		return Position{}, errNoPosition
	}
	r := positionReader{rest: rest[1:]}
	position := Position{verified: r.number()}
	for range topics {
		var topic topicPosition
		r.bytes(topic.id[:])
		partitions := r.number()
		if partitions > uint64(len(r.rest)) { // one takes a byte at least
			return Position{}, errNoPosition
		}
		for range partitions {
			next := r.number()
			if next > math.MaxInt64 {
				return Position{}, errNoPosition
			}
			topic.next = append(topic.next, int64(next))
		}
		position.topics = append(position.topics, topic)
	}
	if r.short || len(r.rest) > 0 {
		return Position{}, errNoPosition
	}
	return position, nil
}

type positionReader struct {
	rest  []byte
	short bool
}

func (r *positionReader) number() uint64 {
	number, n := binary.Uvarint(r.rest)
	if n <= 0 {
		r.short, r.rest = true, nil
		return 0
	}
	r.rest = r.rest[n:]
	return number
}

func (r *positionReader) bytes(into []byte) {
	if len(r.rest) < len(into) {
		r.short, r.rest = true, nil
		return
	}
	r.rest = r.rest[copy(into, r.rest):]
}
