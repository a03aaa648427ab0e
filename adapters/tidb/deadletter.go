package tidb

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"helfy/app/projection"
)

// maxDeadValue is how many bytes of a dead letter's value are kept: TiDB takes
// rows of up to 6 MiB (txn-entry-size-limit), and what it refuses would come
// again for ever.
const maxDeadValue = 5 << 20

func writeDeadLetters[R any](ctx context.Context, tx *sql.Tx, name string, generation int, items []projection.Item[R]) error {
	for _, item := range items {
		if item.DeadLetter == "" {
			continue
		}
		value, reason := item.Record.Value, item.DeadLetter
		if len(value) > maxDeadValue {
			reason = fmt.Sprintf("%s (%d bytes, of which the first %d are kept)", reason, len(value), maxDeadValue)
			value = value[:maxDeadValue]
		}
		if value == nil {
			value = []byte{} // a record without a value is not NULL
		}
		_, err := tx.ExecContext(ctx, `
			INSERT IGNORE INTO projection_dead_letters
			       (projection, generation, topic, kafka_partition, kafka_offset, value, size, digest, reason, kafka_at, seen_at)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			name, generation, item.Record.Topic, item.Record.Partition, item.Record.Offset, value, len(item.Record.Value),
			item.Record.Digest(), reason, nullTime(item.Record.At), time.Now().UTC())
		if err != nil {
			return fmt.Errorf("write dead letter %s: %w", item.Record, err)
		}
	}
	return nil
}

// removeDeadLetters removes those of records that are understood.
func removeDeadLetters[R any](ctx context.Context, tx *sql.Tx, name string, generation int, items []projection.Item[R]) error {
	if len(items) == 0 {
		return nil
	}
	args := []any{name, generation}
	for _, item := range items {
		args = append(args, item.Record.Topic, item.Record.Partition, item.Record.Offset)
	}
	_, err := tx.ExecContext(ctx, `
		DELETE FROM projection_dead_letters
		WHERE projection = ? AND generation = ? AND (topic, kafka_partition, kafka_offset) IN (`+tuples(len(items), 3)+")", args...)
	if err != nil {
		return fmt.Errorf("remove the dead letters of %d records: %w", len(items), err)
	}
	return nil
}
