package tidb

import (
	"context"
	"fmt"

	"helfy/app/projection"
)

// DeadLetters reads the dead letters of all projections. It is safe for
// concurrent use.
type DeadLetters struct{ db querier }

// NewDeadLetters returns the dead letters in db.
func NewDeadLetters(db querier) DeadLetters { return DeadLetters{db: db} }

// isWaived is the SQL that tells whether a dead letter d, in a partition with
// the checkpoint c, is waived. Its arguments are those of waiversOf.
const isWaived = `EXISTS (
	SELECT 1 FROM projection_audit_waivers w
	WHERE w.generation = ` + waiversOf + ` AND w.projection = d.projection AND w.topic = d.topic AND w.topic_id = c.topic_id
	  AND w.kafka_partition = d.kafka_partition AND w.kafka_offset = d.kafka_offset AND w.digest = d.digest)`

// waiversOf is the SQL of the generation of the audit log whose waivers hold
// for a dead letter d: its own, or the live one for other projections. Its
// arguments are the audit log's name, twice.
const waiversOf = "IF(d.projection = ?, d.generation, " + liveGeneration + ")"

// letters are the dead letters with their partition's checkpoint.
const letters = `projection_dead_letters d LEFT JOIN projection_checkpoints c
	ON c.projection = d.projection AND c.generation = d.generation AND c.topic = d.topic AND c.kafka_partition = d.kafka_partition`

// openOf returns how many dead letters of a projection's live generation are
// open.
func (d DeadLetters) openOf(ctx context.Context, name string) (int64, error) {
	generation, err := live(ctx, d.db, name)
	if err != nil {
		return 0, err
	}
	open, _, err := d.Count(ctx, name, generation)
	return open, err
}

// Count returns how many dead letters a generation of a projection has that
// are open, and how many that are waived.
func (d DeadLetters) Count(ctx context.Context, name string, generation int) (open, waived int64, err error) {
	var all int64
	err = d.db.QueryRowContext(ctx, `
		SELECT COUNT(*), COALESCE(SUM(`+isWaived+`), 0) FROM `+letters+`
		WHERE d.projection = ? AND d.generation = ?`,
		projection.AuditName, projection.AuditName, name, generation).Scan(&all, &waived)
	if err != nil {
		return 0, 0, fmt.Errorf("count the dead letters of %s: %w", name, err)
	}
	return all - waived, waived, nil
}
