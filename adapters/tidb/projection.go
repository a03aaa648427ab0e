package tidb

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"slices"
	"strings"

	"helfy/app/projection"
	"helfy/domain"
)

// ProjectionStore implements projection.Store for one projection: it writes
// every generation that is fed. It is safe for concurrent use, also by several
// processes.
type ProjectionStore[R any] struct {
	db     *sql.DB
	name   string
	layout Layout
	insert Insert[R]
	// beforeInsert, if set, is given the rows before they are written, and
	// how far the watermarks of their partitions were before the flush.
	beforeInsert func(ctx context.Context, tx *sql.Tx, generation int, watermarks map[partitionKey]uint64, rows []R) error
}

// Insert writes the rows of a flush into one generation of a projection's
// tables, in the flush's transaction. It may be called again for rows that are
// there already, which must change nothing.
type Insert[R any] func(ctx context.Context, tx *sql.Tx, generation int, rows []R) error

var _ projection.Store[domain.AuditEntry] = (*ProjectionStore[domain.AuditEntry])(nil)

// NewProjectionStore returns the store of a projection in db.
func NewProjectionStore[R any](db *sql.DB, layout Layout, insert Insert[R]) *ProjectionStore[R] {
	return &ProjectionStore[R]{db: db, name: layout.Name, layout: layout, insert: insert}
}

// Name returns the projection's name.
func (s *ProjectionStore[R]) Name() string { return s.name }

// Generations returns the projection's generations.
func (s *ProjectionStore[R]) Generations() Generations {
	return Generations{db: s.db, layout: s.layout}
}

// partitionKey names one partition of one topic.
type partitionKey struct {
	topic     string
	partition int32
}

// checkpoints are those of one generation.
type checkpoints map[partitionKey]*projection.Checkpoint

func (c checkpoints) watermarks() map[partitionKey]uint64 {
	watermarks := make(map[partitionKey]uint64, len(c))
	for key, checkpoint := range c {
		watermarks[key] = checkpoint.Watermark
	}
	return watermarks
}

// Open makes the checkpoints that are missing, at the earliest offset of
// their partition, and returns the checkpoint of each partition, in their
// order: of several generations that which has read least.
func (s *ProjectionStore[R]) Open(ctx context.Context, partitions []projection.Partition) ([]projection.Checkpoint, error) {
	keys := make([]partitionKey, len(partitions))
	for i, p := range partitions {
		keys[i] = partitionKey{p.Topic, p.Partition}
	}
	var least []projection.Checkpoint
	err := inTx(ctx, s.db, func(ctx context.Context, tx *sql.Tx, _ bool) error {
		if err := ensureLive(ctx, tx, s.name); err != nil {
			return err
		}
		// Held, so that none begins or ceases to be fed meanwhile.
		all, err := listGenerations(ctx, tx, s.name, " FOR UPDATE")
		if err != nil {
			return err
		}
		for _, one := range all {
			if !one.State.IsFed() {
				continue
			}
			if err := makeCheckpoints(ctx, tx, s.name, one.Number, true, partitions); err != nil {
				return err
			}
		}
		held, err := s.lock(ctx, tx, keys)
		if err != nil {
			return err
		}
		least = make([]projection.Checkpoint, len(partitions))
		for i, key := range keys {
			least[i] = held.least(key)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("open projection %s: %w", s.name, err)
	}
	return least, nil
}

// makeCheckpoints makes the checkpoints of a generation that are missing, at
// the earliest offset of their partition.
func makeCheckpoints(
	ctx context.Context, tx *sql.Tx, name string, generation int, fed bool, partitions []projection.Partition,
) error {
	for _, p := range partitions {
		_, err := tx.ExecContext(ctx, `
			INSERT IGNORE INTO projection_checkpoints
			       (projection, generation, topic, kafka_partition, topic_id, first_offset, next_offset, watermark, fed, epoch)
			VALUES (?, ?, ?, ?, ?, ?, ?, 0, ?, 0)`,
			name, generation, p.Topic, p.Partition, p.TopicID, p.Earliest, p.Earliest, fed)
		if err != nil {
			return fmt.Errorf("make checkpoint of %s: %w", p, err)
		}
		if err := noteRead(ctx, tx, name, p); err != nil {
			return err
		}
	}
	return nil
}

// Flush implements projection.Store.
func (s *ProjectionStore[R]) Flush(ctx context.Context, items []projection.Item[R]) ([]bool, error) {
	var fresh []bool
	err := inTx(ctx, s.db, func(ctx context.Context, tx *sql.Tx, inDoubt bool) error {
		keys := partitionsOf(items)
		// The lock makes two processes that flush the same partition take
		// turns; the later one sees what the first has stored.
		held, err := s.lock(ctx, tx, keys)
		if err != nil {
			return err
		}
		seen := fresh
		fresh = make([]bool, len(items))
		for _, generation := range held.numbers() {
			watermarks := held[generation].watermarks()
			news, err := advance(held[generation], items)
			if err != nil {
				return err
			}
			if err := s.write(ctx, tx, generation, watermarks, items, news); err != nil {
				return err
			}
			for i := range news {
				fresh[i] = fresh[i] || news[i]
			}
		}
		for i := range seen {
			// What an attempt of unknown outcome did store is no repeat.
			fresh[i] = fresh[i] || inDoubt && seen[i]
		}
		return s.writeCheckpoints(ctx, tx, held)
	})
	if isRejected(err) {
		err = fmt.Errorf("%w: %w", projection.ErrRejected, err)
	}
	if err != nil {
		return nil, fmt.Errorf("flush projection %s: %w", s.name, err)
	}
	return fresh, nil
}

// write writes rows and dead letters into a generation, to which some of the
// items are fresh. What became of a repeat is known: one that was understood
// since is no dead letter again, and one that is understood now is none.
func (s *ProjectionStore[R]) write(
	ctx context.Context, tx *sql.Tx, generation int, watermarks map[partitionKey]uint64, items []projection.Item[R], fresh []bool,
) error {
	var rows []R
	var dead, understood []projection.Item[R]
	for i, item := range items {
		rows = append(rows, item.Rows...)
		switch {
		case fresh[i] && item.DeadLetter != "":
			dead = append(dead, item)
		case !fresh[i] && item.DeadLetter == "" && item.Watermark == 0:
			understood = append(understood, item)
		}
	}
	if len(rows) > 0 && s.beforeInsert != nil {
		if err := s.beforeInsert(ctx, tx, generation, watermarks, rows); err != nil {
			return err
		}
	}
	if len(rows) > 0 {
		if err := s.insert(ctx, tx, generation, rows); err != nil {
			return err
		}
	}
	if err := removeDeadLetters(ctx, tx, s.name, generation, understood); err != nil {
		return err
	}
	return writeDeadLetters(ctx, tx, s.name, generation, dead)
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

// advance moves a generation's checkpoints over the items and returns which of
// them are fresh to it.
func advance[R any](held checkpoints, items []projection.Item[R]) (fresh []bool, err error) {
	fresh = make([]bool, len(items))
	for i, item := range items {
		checkpoint := held[partitionKey{item.Record.Topic, item.Record.Partition}]
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

// fed are the checkpoints of the generations that are fed, by generation.
type fed map[int]checkpoints

// numbers returns the generations, the oldest first.
func (f fed) numbers() []int { return slices.Sorted(maps.Keys(f)) }

// least returns the checkpoint of the generation that has read least of a
// partition.
func (f fed) least(key partitionKey) projection.Checkpoint {
	var least *projection.Checkpoint
	for _, held := range f {
		if c := held[key]; least == nil || c.NextOffset < least.NextOffset {
			least = c
		}
	}
	return *least
}

// lock reads and holds the checkpoints of some partitions, of all generations
// that are fed.
func (s *ProjectionStore[R]) lock(ctx context.Context, tx *sql.Tx, keys []partitionKey) (fed, error) {
	args := []any{s.name}
	for _, key := range keys {
		args = append(args, key.topic, key.partition)
	}
	rows, err := tx.QueryContext(ctx, `
		SELECT generation, topic, kafka_partition, topic_id, first_offset, next_offset, watermark
		FROM projection_checkpoints
		WHERE projection = ? AND fed AND (topic, kafka_partition) IN (`+
		strings.TrimSuffix(strings.Repeat("(?,?),", len(keys)), ",")+`) FOR UPDATE`, args...)
	if err != nil {
		return nil, fmt.Errorf("lock checkpoints: %w", err)
	}
	defer rows.Close()
	held := fed{}
	for rows.Next() {
		var (
			generation int
			key        partitionKey
			c          projection.Checkpoint
		)
		err := rows.Scan(&generation, &key.topic, &key.partition, &c.TopicID, &c.FirstOffset, &c.NextOffset, &c.Watermark)
		if err != nil {
			return nil, fmt.Errorf("read checkpoint: %w", err)
		}
		if held[generation] == nil {
			held[generation] = checkpoints{}
		}
		held[generation][key] = &c
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("lock checkpoints: %w", err)
	}
	return held, held.check(keys)
}

// check reports a partition without a checkpoint: it was added since Open, so
// that reading must start anew.
func (f fed) check(keys []partitionKey) error {
	for _, key := range keys {
		if len(f) == 0 {
			return fmt.Errorf("%w: %s[%d] has no checkpoint", projection.ErrGap, key.topic, key.partition)
		}
		for generation, held := range f {
			if held[key] == nil {
				return fmt.Errorf("%w: %s[%d] has no checkpoint in generation %d", projection.ErrGap, key.topic, key.partition, generation)
			}
		}
	}
	return nil
}

func (s *ProjectionStore[R]) writeCheckpoints(ctx context.Context, tx *sql.Tx, held fed) error {
	var args []any
	for _, generation := range held.numbers() {
		for key, c := range held[generation] {
			args = append(args, s.name, generation, key.topic, key.partition, c.TopicID, c.FirstOffset, c.NextOffset, c.Watermark)
		}
	}
	const columns = 8
	_, err := tx.ExecContext(ctx, `
		INSERT INTO projection_checkpoints
		       (projection, generation, topic, kafka_partition, topic_id, first_offset, next_offset, watermark)
		VALUES `+strings.TrimSuffix(strings.Repeat("(?,?,?,?,?,?,?,?),", len(args)/columns), ",")+`
		ON DUPLICATE KEY UPDATE next_offset = VALUES(next_offset), watermark = VALUES(watermark)`, args...)
	if err != nil {
		return fmt.Errorf("write checkpoints: %w", err)
	}
	return nil
}
