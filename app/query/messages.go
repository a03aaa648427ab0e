package query

import (
	"cmp"
	"context"
	"slices"
	"time"

	"helfy/app/projection"
	"helfy/canaljson"
)

// The bounds of ListMessages.
const (
	// MaxMessages is the greatest number of messages that are read.
	MaxMessages = 100
	// MaxMessageBytes is how much of each is kept.
	MaxMessageBytes = 64 << 10
	// messagesTimeout bounds how long Kafka is asked.
	messagesTimeout = 5 * time.Second
)

// Message is a record of a topic as Kafka has it.
type Message struct {
	projection.Place
	At time.Time
	// Value is the record, or its first MaxMessageBytes; Size is its whole
	// length in bytes.
	Value []byte
	Size  int
	// Missing says why there is no record, empty if there is one.
	Missing string
}

// Messages reads records where they are.
type Messages interface {
	// Messages calls take for each place, in any order and one at a time,
	// with the whole record or with what is missing. Its error says that
	// nothing can be read at the moment.
	Messages(ctx context.Context, places []projection.Place, take func(Message)) error
}

// ListMessages reads the messages that the entries of a transaction were made
// of. It is safe for concurrent use.
type ListMessages struct {
	Log      AuditLog
	Messages Messages
}

// Handle returns the messages of a commitTs, at most MaxMessages, by topic,
// partition and offset, and how many are left out, or ErrNoTransaction.
func (l ListMessages) Handle(ctx context.Context, commitTs uint64) (messages []Message, omitted int, err error) {
	entries, err := l.Log.Transaction(ctx, commitTs, MaxAuditPage)
	if err == nil && len(entries) == 0 {
		err = ErrNoTransaction
	}
	if err != nil {
		return nil, 0, err
	}
	var places []projection.Place
	for _, entry := range entries {
		places = append(places, projection.Place{Topic: entry.Topic, Partition: entry.Partition, Offset: entry.Offset})
	}
	slices.SortFunc(places, comparePlaces)
	places = slices.Compact(places)
	if omitted = max(0, len(places)-MaxMessages); omitted > 0 {
		places = places[:MaxMessages]
	}
	ctx, cancel := context.WithTimeout(ctx, messagesTimeout)
	defer cancel()
	err = l.Messages.Messages(ctx, places, func(message Message) { messages = append(messages, shorten(message, commitTs)) })
	slices.SortFunc(messages, func(a, b Message) int { return comparePlaces(a.Place, b.Place) })
	return messages, omitted, err
}

func comparePlaces(a, b projection.Place) int {
	return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition), cmp.Compare(a.Offset, b.Offset))
}

// shorten cuts what is too long, and takes out what is not of the
// transaction: a topic that was made anew has other messages in its places.
func shorten(message Message, commitTs uint64) Message {
	if message.Missing != "" {
		return message
	}
	if commitOf(message.Value) != commitTs {
		return Message{Place: message.Place, Missing: "another message is there, as in a topic that was made anew"}
	}
	message.Size = len(message.Value)
	if message.Size > MaxMessageBytes {
		message.Value = slices.Clone(message.Value[:MaxMessageBytes])
	}
	return message
}

// commitOf returns the commitTs of a message, 0 if it has none.
func commitOf(value []byte) uint64 {
	message, err := canaljson.Decode(value)
	if err != nil {
		return 0
	}
	switch m := message.(type) {
	case *canaljson.Change:
		return m.CommitTs
	case *canaljson.DDL:
		return m.CommitTs
	}
	return 0
}
