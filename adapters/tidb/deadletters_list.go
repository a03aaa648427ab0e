package tidb

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"helfy/app/projection"
	"helfy/app/query"
	"helfy/domain"
)

var _ query.DeadLetters = DeadLetters{}

// List implements query.DeadLetters.
func (d DeadLetters) List(
	ctx context.Context, filter projection.DeadLetterFilter, behind *projection.Place, limit, bytes int,
) ([]projection.DeadLetter, error) {
	where, args := []string{"d.projection = ?"}, []any{bytes, filter.Projection}
	add := func(wanted bool, condition string, more ...any) {
		if wanted {
			where, args = append(where, condition), append(args, more...)
		}
	}
	add(filter.Generation != 0, "d.generation = ?", filter.Generation)
	add(filter.Generation == 0, "d.generation = "+liveGeneration, filter.Projection)
	add(filter.State == projection.DeadLetterWaived, isWaived, projection.AuditName, projection.AuditName)
	add(filter.State == projection.DeadLetterOpen, "NOT "+isWaived, projection.AuditName, projection.AuditName)
	if at := filter.Place; at != nil {
		add(true, "d.topic = ? AND d.kafka_partition = ? AND d.kafka_offset = ?", at.Topic, at.Partition, at.Offset)
	}
	if behind != nil {
		add(true, "(d.topic, d.kafka_partition, d.kafka_offset) > (?, ?, ?)", behind.Topic, behind.Partition, behind.Offset)
	}
	rows, err := d.db.QueryContext(ctx, `
		SELECT d.projection, d.generation, d.topic, d.kafka_partition, d.kafka_offset, COALESCE(c.topic_id, ''),
		       LEFT(d.value, ?), d.size, d.digest, d.reason, d.kafka_at, d.seen_at
		FROM `+letters+`
		WHERE `+strings.Join(where, " AND ")+`
		ORDER BY d.topic, d.kafka_partition, d.kafka_offset LIMIT ?`, append(args, limit)...)
	if err != nil {
		return nil, fmt.Errorf("read dead letters: %w", err)
	}
	list, err := scanDeadLetters(rows)
	if err != nil || len(list) == 0 {
		return nil, err
	}
	return list, d.addWaivers(ctx, list)
}

func scanDeadLetters(rows *sql.Rows) ([]projection.DeadLetter, error) {
	defer rows.Close()
	var list []projection.DeadLetter
	for rows.Next() {
		var one projection.DeadLetter
		var inKafka, seen sql.NullTime
		err := rows.Scan(&one.Projection, &one.Generation, &one.Topic, &one.Partition, &one.Offset, &one.TopicID,
			&one.Value, &one.Size, &one.Digest, &one.Reason, &inKafka, &seen)
		if err != nil {
			return nil, fmt.Errorf("read dead letter: %w", err)
		}
		one.InKafkaAt, one.SeenAt = inKafka.Time, seen.Time
		list = append(list, one)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read dead letters: %w", err)
	}
	return list, nil
}

// addWaivers tells of each dead letter by what it is waived. All are of one
// generation of one projection.
func (d DeadLetters) addWaivers(ctx context.Context, list []projection.DeadLetter) error {
	name, generation := list[0].Projection, list[0].Generation
	of := generation
	if name != projection.AuditName {
		var err error
		if of, err = live(ctx, d.db, projection.AuditName); err != nil {
			return err
		}
	}
	first := map[waiverKey]*domain.Waived{}
	args := []any{of, name}
	for _, one := range list {
		args = append(args, one.Topic, one.Partition, one.Offset)
	}
	rows, err := d.db.QueryContext(ctx, `
		SELECT commit_ts, event_id, topic, topic_id, kafka_partition, kafka_offset, digest, reason, waived_by FROM projection_audit_waivers
		WHERE generation = ? AND projection = ? AND (topic, kafka_partition, kafka_offset) IN (`+tuples(len(list), 3)+`)
		ORDER BY commit_ts, event_id`, args...)
	if err != nil {
		return fmt.Errorf("read waivers: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		waived := domain.Waived{Waiver: domain.Waiver{Projections: []string{name}}}
		w := &waived.Waiver
		if err := rows.Scan(&waived.CommitTs, &waived.EventID, &w.Topic, &w.TopicID, &w.Partition, &w.Offset, &w.Digest, &w.Reason, &w.By); err != nil {
			return fmt.Errorf("read waiver: %w", err)
		}
		key := waiverKey{projection.Place{Topic: w.Topic, Partition: w.Partition, Offset: w.Offset}, w.TopicID, w.Digest}
		if first[key] == nil {
			first[key] = &waived
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read waivers: %w", err)
	}
	for i := range list {
		list[i].Waived = first[waiverKey{list[i].Place, list[i].TopicID, list[i].Digest}]
	}
	return nil
}

// waiverKey is what a waiver is of.
type waiverKey struct {
	projection.Place
	topicID, digest string
}
