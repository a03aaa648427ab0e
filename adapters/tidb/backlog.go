package tidb

import (
	"context"
	"fmt"

	"helfy/app/projection"
)

// Backlog is what a generation has not read, or not understood.
type Backlog struct {
	// Messages is the number of records that it has not read yet.
	Messages int64
	// Unread is the same of each partition, in the order in which they were
	// given.
	Unread []int64
	// Watermark is the least one that it has read, 0 if it has none.
	Watermark uint64
	// Open and Waived are the numbers of its dead letters.
	Open, Waived int64
}

// Read returns the share of the messages of partitions that was read: 1 if there
// are none.
func (b Backlog) Read(partitions []projection.Partition) float64 {
	messages := int64(0)
	for _, p := range partitions {
		messages += p.End - p.Earliest
	}
	if messages == 0 {
		return 1
	}
	return max(0, 1-float64(b.Messages)/float64(messages))
}

// Backlog returns that of a generation, of partitions as they were looked at
// before.
func (g Generations) Backlog(ctx context.Context, number int, partitions []projection.Partition) (backlog Backlog, err error) {
	next, err := g.nextOffsets(ctx, number, &backlog)
	if err != nil {
		return backlog, fmt.Errorf("read checkpoints of generation %d of %s: %w", number, g.layout.Name, err)
	}
	for _, p := range partitions {
		from, known := next[partitionKey{p.Topic, p.Partition}]
		if !known {
			from = p.Earliest
		}
		unread := max(0, p.End-from)
		backlog.Messages += unread
		backlog.Unread = append(backlog.Unread, unread)
	}
	backlog.Open, backlog.Waived, err = NewDeadLetters(g.db).Count(ctx, g.layout.Name, number)
	return backlog, err
}

// nextOffsets returns how far a generation has read, and notes its least
// watermark.
func (g Generations) nextOffsets(ctx context.Context, number int, backlog *Backlog) (map[partitionKey]int64, error) {
	rows, err := g.db.QueryContext(ctx, `
		SELECT topic, kafka_partition, next_offset, watermark FROM projection_checkpoints
		WHERE projection = ? AND generation = ?`, g.layout.Name, number)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	next := map[partitionKey]int64{}
	for rows.Next() {
		var key partitionKey
		var offset int64
		var watermark uint64
		if err := rows.Scan(&key.topic, &key.partition, &offset, &watermark); err != nil {
			return nil, err
		}
		next[key] = offset
		if watermark != 0 && (backlog.Watermark == 0 || watermark < backlog.Watermark) {
			backlog.Watermark = watermark
		}
	}
	return next, rows.Err()
}
