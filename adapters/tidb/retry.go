package tidb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"helfy/app/projection"
	"helfy/domain"
)

var _ projection.RetryStore[domain.AuditEntry] = (*ProjectionStore[domain.AuditEntry])(nil)

// isFedGeneration is the SQL that tells whether the generation of a dead letter
// d is one that consumers write.
const isFedGeneration = `EXISTS (
	SELECT 1 FROM projection_checkpoints c
	WHERE c.projection = d.projection AND c.generation = d.generation AND c.topic = d.topic AND c.kafka_partition = d.kafka_partition AND c.fed)`

// Places implements projection.RetryStore.
func (s *ProjectionStore[R]) Places(ctx context.Context, behind *projection.Place, limit int) ([]projection.Place, error) {
	where, args := "", []any{s.name}
	if behind != nil {
		where = " AND (d.topic, d.kafka_partition, d.kafka_offset) > (?, ?, ?)"
		args = append(args, behind.Topic, behind.Partition, behind.Offset)
	}
	rows, err := s.db.QueryContext(ctx, `
		SELECT DISTINCT d.topic, d.kafka_partition, d.kafka_offset FROM projection_dead_letters d
		WHERE d.projection = ? AND `+isFedGeneration+where+`
		ORDER BY d.topic, d.kafka_partition, d.kafka_offset LIMIT ?`, append(args, limit)...)
	if err != nil {
		return nil, fmt.Errorf("read the places of dead letters: %w", err)
	}
	defer rows.Close()
	var places []projection.Place
	for rows.Next() {
		var at projection.Place
		if err := rows.Scan(&at.Topic, &at.Partition, &at.Offset); err != nil {
			return nil, fmt.Errorf("read the place of a dead letter: %w", err)
		}
		places = append(places, at)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read the places of dead letters: %w", err)
	}
	return places, nil
}

// Record implements projection.RetryStore.
func (s *ProjectionStore[R]) Record(ctx context.Context, at projection.Place) (projection.Record, error) {
	record := projection.Record{Topic: at.Topic, Partition: at.Partition, Offset: at.Offset}
	var inKafka sql.NullTime
	var size int64
	var digest string
	err := s.db.QueryRowContext(ctx, `
		SELECT d.value, d.size, d.digest, d.kafka_at FROM projection_dead_letters d
		WHERE d.projection = ? AND d.topic = ? AND d.kafka_partition = ? AND d.kafka_offset = ? AND `+isFedGeneration+`
		ORDER BY d.generation LIMIT 1`,
		s.name, at.Topic, at.Partition, at.Offset).Scan(&record.Value, &size, &digest, &inKafka)
	if errors.Is(err, sql.ErrNoRows) {
		return record, projection.ErrNoDeadLetter
	}
	if err != nil {
		return record, fmt.Errorf("read dead letter: %w", err)
	}
	if record.Digest() != digest {
		return record, fmt.Errorf("%w (%d bytes of %d are kept)", projection.ErrNotWhole, len(record.Value), size)
	}
	record.At = inKafka.Time
	return record, nil
}

// Retry implements projection.RetryStore.
func (s *ProjectionStore[R]) Retry(ctx context.Context, item projection.Item[R]) error {
	key := partitionKey{item.Record.Topic, item.Record.Partition}
	err := inTx(ctx, s.db, func(ctx context.Context, tx *sql.Tx, inDoubt bool) error {
		// As a flush does: it and this take turns.
		held, err := s.lock(ctx, tx, []partitionKey{key})
		if err != nil {
			return err
		}
		generations, err := s.lockDeadLetters(ctx, tx, item.Record, held)
		if err != nil {
			return err
		}
		if len(generations) == 0 && inDoubt {
			return errSettled // nobody else could have removed them
		}
		if len(generations) == 0 {
			return projection.ErrNoDeadLetter
		}
		for _, generation := range generations {
			if err := s.retryIn(ctx, tx, generation, held[generation].watermarks(), item); err != nil {
				return err
			}
		}
		return nil
	})
	if isRejected(err) {
		err = fmt.Errorf("%w: %w", projection.ErrRejected, err)
	}
	return err
}

// lockDeadLetters returns which of the held generations have a record as a
// dead letter, and holds these.
func (s *ProjectionStore[R]) lockDeadLetters(ctx context.Context, tx *sql.Tx, record projection.Record, held fed) ([]int, error) {
	rows, err := tx.QueryContext(ctx, `
		SELECT generation FROM projection_dead_letters
		WHERE projection = ? AND topic = ? AND kafka_partition = ? AND kafka_offset = ? ORDER BY generation FOR UPDATE`,
		s.name, record.Topic, record.Partition, record.Offset)
	if err != nil {
		return nil, fmt.Errorf("lock dead letters: %w", err)
	}
	defer rows.Close()
	var generations []int
	for rows.Next() {
		var generation int
		if err := rows.Scan(&generation); err != nil {
			return nil, fmt.Errorf("lock dead letter: %w", err)
		}
		if held[generation] != nil {
			generations = append(generations, generation)
		}
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("lock dead letters: %w", err)
	}
	return generations, nil
}

// retryIn puts the rows of a dead letter in its place, or gives it a new
// reason.
func (s *ProjectionStore[R]) retryIn(
	ctx context.Context, tx *sql.Tx, generation int, watermarks map[partitionKey]uint64, item projection.Item[R],
) error {
	if item.DeadLetter == "" {
		return s.write(ctx, tx, generation, watermarks, []projection.Item[R]{item}, []bool{false})
	}
	record := item.Record
	_, err := tx.ExecContext(ctx, `
		UPDATE projection_dead_letters SET reason = ?
		WHERE projection = ? AND generation = ? AND topic = ? AND kafka_partition = ? AND kafka_offset = ?`,
		item.DeadLetter, s.name, generation, record.Topic, record.Partition, record.Offset)
	if err != nil {
		return fmt.Errorf("change the reason of dead letter %s: %w", record, err)
	}
	return nil
}
