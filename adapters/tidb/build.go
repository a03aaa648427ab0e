package tidb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"helfy/app/projection"
)

// BuildStore implements projection.BuildStore for one generation of a
// projection. It is safe for concurrent use.
type BuildStore[R any] struct {
	db         *sql.DB
	name       string
	generation int
	insert     Insert[R]
	// fed says that consumers write the generation too.
	fed bool
}

// Generation returns the store of a generation that is being built.
func (s *ProjectionStore[R]) Generation(number int) *BuildStore[R] {
	return &BuildStore[R]{db: s.db, name: s.name, generation: number, insert: s.insert}
}

// CatchUp returns the store of the live generation for whoever reads what was
// there before its consumers began.
func (s *ProjectionStore[R]) CatchUp(ctx context.Context) (*BuildStore[R], error) {
	number, err := s.Generations().Live(ctx)
	if err != nil {
		return nil, err
	}
	return &BuildStore[R]{db: s.db, name: s.name, generation: number, insert: s.insert, fed: true}, nil
}

// Open implements projection.BuildStore.
func (s *BuildStore[R]) Open(ctx context.Context, partitions []projection.Partition) ([]projection.Checkpoint, error) {
	opened := make([]projection.Checkpoint, len(partitions))
	err := inTx(ctx, s.db, func(ctx context.Context, tx *sql.Tx, _ bool) error {
		if err := s.hold(ctx, tx); err != nil {
			return err
		}
		if err := makeCheckpoints(ctx, tx, s.name, s.generation, s.fed, partitions); err != nil {
			return err
		}
		for i, p := range partitions {
			c := &opened[i]
			err := tx.QueryRowContext(ctx, `
				SELECT topic_id, first_offset, next_offset, watermark FROM projection_checkpoints
				WHERE projection = ? AND generation = ? AND topic = ? AND kafka_partition = ? FOR UPDATE`,
				s.name, s.generation, p.Topic, p.Partition).Scan(&c.TopicID, &c.FirstOffset, &c.NextOffset, &c.Watermark)
			if err != nil {
				return fmt.Errorf("read checkpoint of %s: %w", p, err)
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("open generation %d of %s: %w", s.generation, s.name, err)
	}
	return opened, nil
}

// hold returns projection.ErrFenced if the generation is not what it was, and
// keeps it so until tx ends.
func (s *BuildStore[R]) hold(ctx context.Context, tx *sql.Tx) error {
	all, err := listGenerations(ctx, tx, s.name, " FOR UPDATE")
	want := projection.Building
	if s.fed {
		want = projection.Live
	}
	if err == nil && stateOf(all, s.generation) != want {
		err = projection.ErrFenced
	}
	return err
}

// Write implements projection.BuildStore.
func (s *BuildStore[R]) Write(ctx context.Context, batch projection.Batch[R]) error {
	err := inTx(ctx, s.db, func(ctx context.Context, tx *sql.Tx, inDoubt bool) error {
		moved, err := s.move(ctx, tx, batch)
		if err != nil {
			return err
		}
		if !moved && inDoubt {
			// The attempt of unknown outcome may have moved it.
			return s.settle(ctx, tx, batch)
		}
		if !moved {
			return projection.ErrFenced
		}
		if rows := batch.Rows(); len(rows) > 0 {
			if err := s.insert(ctx, tx, s.generation, rows); err != nil {
				return err
			}
		}
		return writeDeadLetters(ctx, tx, s.name, s.generation, batch.Items)
	})
	if isRejected(err) {
		err = fmt.Errorf("%w: %w", projection.ErrRejected, err)
	}
	if err != nil {
		return fmt.Errorf("write generation %d of %s: %w", s.generation, s.name, err)
	}
	return nil
}

// move moves the checkpoint over a batch and reports whether it stood at its
// beginning.
func (s *BuildStore[R]) move(ctx context.Context, tx *sql.Tx, batch projection.Batch[R]) (bool, error) {
	result, err := tx.ExecContext(ctx, `
		UPDATE projection_checkpoints SET next_offset = ?, watermark = GREATEST(watermark, ?)
		WHERE projection = ? AND generation = ? AND topic = ? AND kafka_partition = ? AND next_offset = ? AND fed = ?`,
		batch.Next, batch.Watermark, s.name, s.generation, batch.Topic, batch.Partition, batch.From, s.fed)
	if err != nil {
		return false, fmt.Errorf("move checkpoint: %w", err)
	}
	moved, err := result.RowsAffected()
	if err != nil {
		return false, fmt.Errorf("move checkpoint: %w", err)
	}
	return moved == 1, nil
}

// settle returns errSettled if the checkpoint stands behind the batch.
func (s *BuildStore[R]) settle(ctx context.Context, tx *sql.Tx, batch projection.Batch[R]) error {
	var next int64
	err := tx.QueryRowContext(ctx, `
		SELECT next_offset FROM projection_checkpoints
		WHERE projection = ? AND generation = ? AND topic = ? AND kafka_partition = ? AND fed = ? FOR UPDATE`,
		s.name, s.generation, batch.Topic, batch.Partition, s.fed).Scan(&next)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return projection.ErrFenced
	case err != nil:
		return fmt.Errorf("read checkpoint: %w", err)
	case next == batch.Next:
		return errSettled
	}
	return projection.ErrFenced
}
