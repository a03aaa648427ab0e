// Package verification reads the history of the topics once more, from the
// first record to the last, and judges it without the projections' help.
package verification

import (
	"context"
	"fmt"

	"helfy/app/projection"
)

// Topics is what both topics held at one moment.
type Topics interface {
	// Partitions returns every partition. Reading goes from Earliest up to,
	// but not including, End.
	Partitions() []projection.Partition
	// Read begins to read every partition at its Earliest. It may be called
	// again once the reader before is closed, and gives the same records.
	Read(ctx context.Context) (Reader, error)
}

// Reader reads partitions side by side. It is not safe for concurrent use.
type Reader interface {
	// Next returns the next record of the partition at an index of
	// Partitions, and io.EOF behind the last one. It ends with the context
	// that Read was given.
	Next(partition int) (projection.Record, error)
	Close() error
}

// Fault is something in a topic that could not be judged: a record that
// cannot be understood, or one that is not there.
type Fault struct {
	Topic     string
	Partition int32
	Offset    int64
	Reason    string
	// Digest is the SHA-256 of a record that cannot be understood, in
	// lower-case hex; empty for other faults.
	Digest string
}

// String names the fault by its coordinates.
func (f Fault) String() string {
	return fmt.Sprintf("%s[%d]@%d: %s", f.Topic, f.Partition, f.Offset, f.Reason)
}

// Progress is told how many records of how many have been read. It is called
// often, and in one goroutine.
type Progress func(done, total int64)

// Size returns the number of records between Earliest and End over all
// partitions.
func Size(topics Topics) int64 {
	var size int64
	for _, p := range topics.Partitions() {
		size += p.End - p.Earliest
	}
	return size
}
