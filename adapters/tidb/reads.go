package tidb

import (
	"context"
	"database/sql"
	"fmt"

	"helfy/app/projection"
)

// Guard implements projection.Generations. It looks at the topics after it has
// read how far they were read: they must have come further.
func (g Generations) Guard(
	ctx context.Context, look func(context.Context) ([]projection.Partition, error),
) ([]projection.Partition, error) {
	reads, err := g.reads(ctx)
	if err != nil {
		return nil, err
	}
	partitions, err := look(ctx)
	if err != nil {
		return nil, err
	}
	for _, p := range partitions {
		read, known := reads[partitionKey{p.Topic, p.Partition}]
		if !known {
			continue // nobody has read it yet
		}
		if err := read.CheckWhole(p); err != nil {
			return nil, err
		}
	}
	return partitions, nil
}

// reads returns what any generation has ever read.
func (g Generations) reads(ctx context.Context) (map[partitionKey]projection.Checkpoint, error) {
	rows, err := g.db.QueryContext(ctx, `
		SELECT r.topic, r.kafka_partition, r.topic_id, r.first_offset, GREATEST(r.next_offset, COALESCE(MAX(c.next_offset), 0))
		FROM projection_reads r LEFT JOIN projection_checkpoints c
		  ON c.projection = r.projection AND c.topic = r.topic AND c.kafka_partition = r.kafka_partition
		WHERE r.projection = ?
		GROUP BY r.topic, r.kafka_partition, r.topic_id, r.first_offset, r.next_offset`, g.layout.Name)
	if err != nil {
		return nil, fmt.Errorf("read what was ever read: %w", err)
	}
	defer rows.Close()
	reads := map[partitionKey]projection.Checkpoint{}
	for rows.Next() {
		var key partitionKey
		var read projection.Checkpoint
		if err := rows.Scan(&key.topic, &key.partition, &read.TopicID, &read.FirstOffset, &read.NextOffset); err != nil {
			return nil, fmt.Errorf("read what was ever read: %w", err)
		}
		reads[key] = read
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read what was ever read: %w", err)
	}
	return reads, nil
}

// noteRead remembers where a partition was first read, once and for all.
func noteRead(ctx context.Context, tx *sql.Tx, name string, p projection.Partition) error {
	_, err := tx.ExecContext(ctx, `
		INSERT IGNORE INTO projection_reads (projection, topic, kafka_partition, topic_id, first_offset, next_offset)
		VALUES (?, ?, ?, ?, ?, ?)`, name, p.Topic, p.Partition, p.TopicID, p.Earliest, p.Earliest)
	if err != nil {
		return fmt.Errorf("note that %s is read: %w", p, err)
	}
	return nil
}

// keepReads remembers how far a generation has read, before its checkpoints
// are removed.
func (g Generations) keepReads(ctx context.Context, tx *sql.Tx, number int) error {
	_, err := tx.ExecContext(ctx, `
		UPDATE projection_reads r JOIN projection_checkpoints c
		  ON c.projection = r.projection AND c.topic = r.topic AND c.kafka_partition = r.kafka_partition AND c.topic_id = r.topic_id
		SET r.next_offset = GREATEST(r.next_offset, c.next_offset)
		WHERE c.projection = ? AND c.generation = ?`, g.layout.Name, number)
	if err != nil {
		return fmt.Errorf("note how far it has read: %w", err)
	}
	return nil
}
