// Package projection turns the messages of the topics into tables. A pure
// function makes rows out of each message; a Writer makes them durable, many
// messages at a time, together with the checkpoint of how far it has read.
package projection

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"
)

// FirstGeneration is the generation of a projection's tables that migrations
// make.
const FirstGeneration = 1

// Record is one record of a Kafka topic.
type Record struct {
	Topic     string
	Partition int32
	Offset    int64
	Value     []byte
	// At is the record's timestamp: when it was sent.
	At time.Time
}

// Digest returns the SHA-256 of the record's value in lower-case hex.
func (r Record) Digest() string {
	digest := sha256.Sum256(r.Value)
	return hex.EncodeToString(digest[:])
}

// String names the record by its coordinates.
func (r Record) String() string { return fmt.Sprintf("%s[%d]@%d", r.Topic, r.Partition, r.Offset) }

// ErrGap says that a record is beyond the next one that the checkpoint
// expects: the reader must go back to the checkpoint.
var ErrGap = errors.New("record is beyond the checkpoint")

// ErrRejected says that the database will never take a row, for what it says.
var ErrRejected = errors.New("the database rejects a row")

// Store keeps a projection's rows and checkpoints.
type Store[R any] interface {
	// Flush makes the items durable in one transaction: rows, dead letters,
	// and the checkpoint of each partition. Items of one partition come in
	// the order of their offsets. An item below its checkpoint is a repeat:
	// its rows are written again, which changes nothing. Flush returns for
	// each item whether it is fresh, that is no repeat. Its errors wrap
	// ErrGap or ErrRejected, or come from the database; nothing is stored
	// then.
	Flush(ctx context.Context, items []Item[R]) (fresh []bool, err error)
}

// FedStore is a Store that tells where to go on.
type FedStore[R any] interface {
	Store[R]
	// Open returns the checkpoint of each partition, in their order, and
	// makes those that are missing: of several generations that which has
	// read least.
	Open(ctx context.Context, partitions []Partition) ([]Checkpoint, error)
}
