package tidb

import (
	"context"
	"fmt"

	"helfy/app/projection"
	"helfy/app/query"
	"helfy/app/verification"
	"helfy/domain"
)

// historyPage is how many entries are read at a time.
const historyPage = 2000

// InOrder gives the entries up to a watermark to take, all of one commitTs at
// a time, in the order of commits; with users only theirs. It ends with ctx or
// take's first error. The total that progress is told is an estimate.
func (a AuditLog) InOrder(
	ctx context.Context, users []domain.UserID, through uint64, progress verification.Progress, take func([]domain.AuditEntry) error,
) error {
	chosen := []condition{{text: "a.commit_ts <= ?", args: []any{through}, bounds: true}}
	switch len(users) {
	case 0:
	case 1:
		chosen = append(chosen, condition{text: "a.user_id = ?", args: []any{users[0]}, index: "audit_user_id"})
	default:
		some := condition{text: "a.user_id IN " + tuples(1, len(users))}
		for _, user := range users {
			some.args = append(some.args, user)
		}
		chosen = append(chosen, some)
	}
	var (
		last   *query.AuditPosition
		first  uint64
		done   int64
		commit []domain.AuditEntry
	)
	for {
		page, err := a.sorted(ctx, chosen, oldestFirst, last, historyPage)
		if err != nil {
			return err
		}
		for _, entry := range page {
			if len(commit) > 0 && commit[0].CommitTs != entry.CommitTs {
				if err := take(commit); err != nil {
					return err
				}
				commit = nil
			}
			commit = append(commit, entry)
		}
		if len(page) < historyPage {
			break
		}
		if first == 0 {
			first = page[0].CommitTs
		}
		end := page[len(page)-1]
		last = &query.AuditPosition{CommitTs: end.CommitTs, Table: end.Table, RowKey: end.RowKey}
		if done += int64(len(page)); progress != nil {
			progress(done, int64(float64(done)*float64(through-first+1)/float64(last.CommitTs-first+1)))
		}
	}
	return take(commit)
}

// UsersCalled returns the users who ever had a name, as the log has it.
func (a AuditLog) UsersCalled(ctx context.Context, name string) ([]domain.UserID, error) {
	number, of := a.number()
	rows, err := a.db.QueryContext(ctx,
		"SELECT DISTINCT user_id FROM projection_audit_entries WHERE generation = "+number+" AND username = ? AND user_id IS NOT NULL", of, name)
	if err != nil {
		return nil, fmt.Errorf("look for users called %q: %w", name, err)
	}
	defer rows.Close()
	var users []domain.UserID
	for rows.Next() {
		var id domain.UserID
		if err := rows.Scan(&id); err != nil {
			return nil, fmt.Errorf("read user id: %w", err)
		}
		users = append(users, id)
	}
	return users, rows.Err()
}

// DeadLetters returns the records of which the projection could make nothing,
// at most limit.
func (a AuditLog) DeadLetters(ctx context.Context, limit int) ([]verification.Fault, error) {
	number, of := a.number()
	rows, err := a.db.QueryContext(ctx, `
		SELECT topic, kafka_partition, kafka_offset, reason, digest FROM projection_dead_letters
		WHERE projection = ? AND generation = `+number+` ORDER BY topic, kafka_partition, kafka_offset LIMIT ?`,
		projection.AuditName, of, limit)
	if err != nil {
		return nil, fmt.Errorf("read dead letters: %w", err)
	}
	defer rows.Close()
	var faults []verification.Fault
	for rows.Next() {
		var f verification.Fault
		if err := rows.Scan(&f.Topic, &f.Partition, &f.Offset, &f.Reason, &f.Digest); err != nil {
			return nil, fmt.Errorf("read dead letter: %w", err)
		}
		faults = append(faults, f)
	}
	return faults, rows.Err()
}

// Topics returns how far the projection has read each partition of both
// topics.
func (a AuditLog) Topics(ctx context.Context) ([]projection.Partition, error) {
	number, of := a.number()
	rows, err := a.db.QueryContext(ctx, `
		SELECT topic, topic_id, kafka_partition, first_offset, next_offset FROM projection_checkpoints
		WHERE projection = ? AND generation = `+number+` AND topic IN (?, ?) ORDER BY topic, kafka_partition`,
		projection.AuditName, of, a.topics[0], a.topics[1])
	if err != nil {
		return nil, fmt.Errorf("read checkpoints: %w", err)
	}
	defer rows.Close()
	var partitions []projection.Partition
	for rows.Next() {
		var p projection.Partition
		if err := rows.Scan(&p.Topic, &p.TopicID, &p.Partition, &p.Earliest, &p.End); err != nil {
			return nil, fmt.Errorf("read checkpoint: %w", err)
		}
		partitions = append(partitions, p)
	}
	return partitions, rows.Err()
}
