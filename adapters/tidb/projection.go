package tidb

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"helfy/app/projection"
	"helfy/domain"
)

// ProjectionStore implements projection.Store for one generation of one
// projection. It is safe for concurrent use, also by several processes.
type ProjectionStore[R any] struct {
	db         *sql.DB
	name       string
	generation int
	insert     func(ctx context.Context, tx *sql.Tx, rows []R) error
	// beforeInsert, if set, is given the rows before they are written, and
	// how far the watermarks of their partitions were before the flush.
	beforeInsert func(ctx context.Context, tx *sql.Tx, watermarks map[partitionKey]uint64, rows []R) error
}

var _ projection.Store[domain.AuditEntry] = (*ProjectionStore[domain.AuditEntry])(nil)

// NewProjectionStore returns the store of a generation of a projection in db.
// insert writes the rows of a flush in its transaction; it may be called
// again for rows that are there already, which must change nothing.
func NewProjectionStore[R any](
	db *sql.DB, name string, generation int, insert func(ctx context.Context, tx *sql.Tx, rows []R) error,
) *ProjectionStore[R] {
	return &ProjectionStore[R]{db: db, name: name, generation: generation, insert: insert}
}

// NewAuditStore returns the store of the audit projection in db.
func NewAuditStore(db *sql.DB) *ProjectionStore[domain.AuditEntry] {
	store := NewProjectionStore(db, projection.AuditName, projection.FirstGeneration, insertAuditEntries)
	store.beforeInsert = noteLate
	return store
}

// partitionKey names one partition of one topic.
type partitionKey struct {
	topic     string
	partition int32
}

// Open makes the checkpoints that are missing, at the earliest offset of
// their partition, and returns the checkpoint of each partition, in their
// order.
func (s *ProjectionStore[R]) Open(ctx context.Context, partitions []projection.Partition) ([]projection.Checkpoint, error) {
	var checkpoints []projection.Checkpoint
	err := inTx(ctx, s.db, func(ctx context.Context, tx *sql.Tx, _ bool) error {
		keys := make([]partitionKey, len(partitions))
		for i, p := range partitions {
			keys[i] = partitionKey{p.Topic, p.Partition}
			_, err := tx.ExecContext(ctx, `
				INSERT IGNORE INTO projection_checkpoints
				       (projection, generation, topic, kafka_partition, topic_id, first_offset, next_offset, watermark)
				VALUES (?, ?, ?, ?, ?, ?, ?, 0)`,
				s.name, s.generation, p.Topic, p.Partition, p.TopicID, p.Earliest, p.Earliest)
			if err != nil {
				return fmt.Errorf("make checkpoint of %s: %w", p, err)
			}
		}
		held, err := s.lock(ctx, tx, keys)
		if err != nil {
			return err
		}
		checkpoints = make([]projection.Checkpoint, len(partitions))
		for i, key := range keys {
			checkpoints[i] = *held[key]
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("open projection %s: %w", s.name, err)
	}
	return checkpoints, nil
}

// Flush implements projection.Store.
func (s *ProjectionStore[R]) Flush(ctx context.Context, items []projection.Item[R]) ([]bool, error) {
	var fresh []bool
	err := inTx(ctx, s.db, func(ctx context.Context, tx *sql.Tx, inDoubt bool) error {
		keys := partitionsOf(items)
		// The lock makes two processes that flush the same partition take
		// turns; the later one sees what the first has stored.
		checkpoints, err := s.lock(ctx, tx, keys)
		if err != nil {
			return err
		}
		watermarks := make(map[partitionKey]uint64, len(checkpoints))
		for key, checkpoint := range checkpoints {
			watermarks[key] = checkpoint.Watermark
		}
		seen := fresh
		if fresh, err = advance(checkpoints, items); err != nil {
			return err
		}
		for i := range seen {
			// What an attempt of unknown outcome did store is no repeat.
			fresh[i] = fresh[i] || inDoubt && seen[i]
		}
		if err := s.writeRows(ctx, tx, watermarks, items); err != nil {
			return err
		}
		if err := s.writeDeadLetters(ctx, tx, items); err != nil {
			return err
		}
		return s.writeCheckpoints(ctx, tx, keys, checkpoints)
	})
	if isRejected(err) {
		err = fmt.Errorf("%w: %w", projection.ErrRejected, err)
	}
	if err != nil {
		return nil, fmt.Errorf("flush projection %s: %w", s.name, err)
	}
	return fresh, nil
}

func partitionsOf[R any](items []projection.Item[R]) []partitionKey {
	var keys []partitionKey
	seen := map[partitionKey]bool{}
	for _, item := range items {
		key := partitionKey{item.Record.Topic, item.Record.Partition}
		if !seen[key] {
			seen[key] = true
			keys = append(keys, key)
		}
	}
	return keys
}

// advance moves the checkpoints over the items and tells which of them are
// fresh.
func advance[R any](checkpoints map[partitionKey]*projection.Checkpoint, items []projection.Item[R]) ([]bool, error) {
	fresh := make([]bool, len(items))
	for i, item := range items {
		checkpoint := checkpoints[partitionKey{item.Record.Topic, item.Record.Partition}]
		offset := item.Record.Offset
		if offset > checkpoint.NextOffset {
			return nil, fmt.Errorf("%w: %s came, %d is next", projection.ErrGap, item.Record, checkpoint.NextOffset)
		}
		if offset == checkpoint.NextOffset {
			fresh[i] = true
			checkpoint.NextOffset++
		}
		checkpoint.Watermark = max(checkpoint.Watermark, item.Watermark)
	}
	return fresh, nil
}

func (s *ProjectionStore[R]) lock(ctx context.Context, tx *sql.Tx, keys []partitionKey) (map[partitionKey]*projection.Checkpoint, error) {
	args := []any{s.name, s.generation}
	for _, key := range keys {
		args = append(args, key.topic, key.partition)
	}
	rows, err := tx.QueryContext(ctx, `
		SELECT topic, kafka_partition, topic_id, first_offset, next_offset, watermark
		FROM projection_checkpoints
		WHERE projection = ? AND generation = ? AND (topic, kafka_partition) IN (`+
		strings.TrimSuffix(strings.Repeat("(?,?),", len(keys)), ",")+`) FOR UPDATE`, args...)
	if err != nil {
		return nil, fmt.Errorf("lock checkpoints: %w", err)
	}
	defer rows.Close()
	checkpoints := make(map[partitionKey]*projection.Checkpoint, len(keys))
	for rows.Next() {
		var (
			key partitionKey
			c   projection.Checkpoint
		)
		if err := rows.Scan(&key.topic, &key.partition, &c.TopicID, &c.FirstOffset, &c.NextOffset, &c.Watermark); err != nil {
			return nil, fmt.Errorf("read checkpoint: %w", err)
		}
		checkpoints[key] = &c
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("lock checkpoints: %w", err)
	}
	for _, key := range keys {
		if checkpoints[key] == nil {
			// The partition was added since Open: reading must start anew.
			return nil, fmt.Errorf("%w: %s[%d] has no checkpoint", projection.ErrGap, key.topic, key.partition)
		}
	}
	return checkpoints, nil
}

func (s *ProjectionStore[R]) writeRows(
	ctx context.Context, tx *sql.Tx, watermarks map[partitionKey]uint64, items []projection.Item[R],
) error {
	var rows []R
	for _, item := range items {
		rows = append(rows, item.Rows...)
	}
	if len(rows) == 0 {
		return nil
	}
	if s.beforeInsert != nil {
		if err := s.beforeInsert(ctx, tx, watermarks, rows); err != nil {
			return err
		}
	}
	return s.insert(ctx, tx, rows)
}

func (s *ProjectionStore[R]) writeCheckpoints(
	ctx context.Context, tx *sql.Tx, keys []partitionKey, checkpoints map[partitionKey]*projection.Checkpoint,
) error {
	args := make([]any, 0, 8*len(keys))
	for _, key := range keys {
		c := checkpoints[key]
		args = append(args, s.name, s.generation, key.topic, key.partition, c.TopicID, c.FirstOffset, c.NextOffset, c.Watermark)
	}
	_, err := tx.ExecContext(ctx, `
		INSERT INTO projection_checkpoints
		       (projection, generation, topic, kafka_partition, topic_id, first_offset, next_offset, watermark)
		VALUES `+strings.TrimSuffix(strings.Repeat("(?,?,?,?,?,?,?,?),", len(keys)), ",")+`
		ON DUPLICATE KEY UPDATE next_offset = VALUES(next_offset), watermark = VALUES(watermark)`, args...)
	if err != nil {
		return fmt.Errorf("write checkpoints: %w", err)
	}
	return nil
}
