package tidb

import (
	"context"
	"fmt"
	"slices"

	applive "helfy/app/live"
	"helfy/app/projection"
	"helfy/app/query"
)

var _ applive.Log = AuditLog{}

// Checkpoints implements live.Log.
func (a AuditLog) Checkpoints(ctx context.Context) (map[string]map[int32]projection.Checkpoint, error) {
	number, of := a.number()
	rows, err := a.db.QueryContext(ctx, `
		SELECT topic, kafka_partition, topic_id, first_offset, next_offset, watermark
		FROM projection_checkpoints WHERE projection = ? AND generation = `+number, projection.AuditName, of)
	if err != nil {
		return nil, fmt.Errorf("read checkpoints: %w", err)
	}
	defer rows.Close()
	all := map[string]map[int32]projection.Checkpoint{}
	for rows.Next() {
		var key partitionKey
		var at projection.Checkpoint
		if err := rows.Scan(&key.topic, &key.partition, &at.TopicID, &at.FirstOffset, &at.NextOffset, &at.Watermark); err != nil {
			return nil, fmt.Errorf("read checkpoint: %w", err)
		}
		if all[key.topic] == nil {
			all[key.topic] = map[int32]projection.Checkpoint{}
		}
		all[key.topic][key.partition] = at
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read checkpoints: %w", err)
	}
	return all, nil
}

// FindingsBetween implements live.Log: a range of the primary key.
func (a AuditLog) FindingsBetween(ctx context.Context, after, through uint64, limit int) ([]query.Finding, error) {
	found, err := a.findings(ctx, []string{"f.commit_ts > ?", "f.commit_ts <= ?"}, []any{after, through}, limit)
	slices.Reverse(found)
	return found, err
}
