package tidb

import (
	"context"
	"database/sql"
	"fmt"
	"slices"

	"helfy/domain"
)

// replaceWaivers makes the waivers of a span of commits those that are given:
// after from, up to through.
func replaceWaivers(ctx context.Context, tx *sql.Tx, generation int, from, through uint64, waivers []domain.Waived) error {
	_, err := tx.ExecContext(ctx,
		"DELETE FROM projection_audit_waivers WHERE generation = ? AND commit_ts > ? AND commit_ts <= ?", generation, from, through)
	if err != nil {
		return fmt.Errorf("remove waivers: %w", err)
	}
	const columns = 11
	var args []any
	for _, w := range waivers {
		for _, name := range w.Projections {
			args = append(args, generation, w.CommitTs, w.EventID, name, w.Topic, w.TopicID, w.Partition, w.Offset, w.Digest, w.Reason, w.By)
		}
	}
	for some := range slices.Chunk(args, maxTuples*columns) {
		_, err := tx.ExecContext(ctx, `
			INSERT INTO projection_audit_waivers
			       (generation, commit_ts, event_id, projection, topic, topic_id, kafka_partition, kafka_offset, digest, reason, waived_by)
			VALUES `+tuples(len(some)/columns, columns)+`
			ON DUPLICATE KEY UPDATE reason = VALUES(reason)`, some...)
		if err != nil {
			return fmt.Errorf("write waivers: %w", err)
		}
	}
	return nil
}
