package tidb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"

	"helfy/app/projection"
)

var _ projection.CompletenessStore = Generations{}

// Reaches implements projection.CompletenessStore.
func (g Generations) Reaches(ctx context.Context, topics []string) ([]projection.Reach, error) {
	args := []any{g.layout.Name}
	for _, topic := range topics {
		args = append(args, topic)
	}
	rows, err := g.db.QueryContext(ctx, `
		SELECT g.generation, g.complete_through, c.topic, c.kafka_partition, c.topic_id, c.first_offset, c.next_offset, c.watermark
		FROM projection_generations g JOIN projection_checkpoints c
		  ON c.projection = g.projection AND c.generation = g.generation AND c.fed
		WHERE g.projection = ? AND c.topic IN `+tuples(1, len(topics))+`
		ORDER BY g.generation`, args...)
	if err != nil {
		return nil, fmt.Errorf("read checkpoints: %w", err)
	}
	defer rows.Close()
	var reaches []projection.Reach
	for rows.Next() {
		var reach projection.Reach
		var key partitionKey
		var at projection.Checkpoint
		err := rows.Scan(&reach.Generation, &reach.Through, &key.topic, &key.partition,
			&at.TopicID, &at.FirstOffset, &at.NextOffset, &at.Watermark)
		if err != nil {
			return nil, fmt.Errorf("read checkpoint: %w", err)
		}
		if last := len(reaches) - 1; last < 0 || reaches[last].Generation != reach.Generation {
			reach.Checkpoints = map[string]map[int32]projection.Checkpoint{}
			reaches = append(reaches, reach)
		}
		of := reaches[len(reaches)-1].Checkpoints
		if of[key.topic] == nil {
			of[key.topic] = map[int32]projection.Checkpoint{}
		}
		of[key.topic][key.partition] = at
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read checkpoints: %w", err)
	}
	return reaches, nil
}

// Confirm implements projection.CompletenessStore.
func (g Generations) Confirm(ctx context.Context, through map[int]uint64) (moved bool, err error) {
	if len(through) == 0 {
		return false, nil
	}
	err = inTx(ctx, g.db, func(ctx context.Context, tx *sql.Tx, inDoubt bool) error {
		moved = moved && inDoubt
		for _, generation := range slices.Sorted(maps.Keys(through)) { // all who do this hold them in one order
			ts := through[generation]
			result, err := tx.ExecContext(ctx, `
				UPDATE projection_generations SET complete_through = ?
				WHERE projection = ? AND generation = ? AND complete_through < ?`, ts, g.layout.Name, generation, ts)
			if err != nil {
				return err
			}
			rows, err := result.RowsAffected()
			if err != nil {
				return err
			}
			moved = moved || rows > 0
		}
		return nil
	})
	if err != nil {
		return false, fmt.Errorf("confirm how complete %s is: %w", g.layout.Name, err)
	}
	return moved, nil
}

// completeThrough returns the TSO up to which a generation is confirmed to be
// complete, 0 if it never was. generation is the SQL of its number, arg the
// argument of that.
func completeThrough(ctx context.Context, from querier, name, generation string, arg any) (through uint64, err error) {
	err = from.QueryRowContext(ctx,
		"SELECT complete_through FROM projection_generations WHERE projection = ? AND generation = "+generation, name, arg).Scan(&through)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return 0, fmt.Errorf("read how complete %s is: %w", name, err)
	}
	return through, nil
}
