package tidb

import (
	"context"
	"database/sql"
	"fmt"
	"slices"

	"helfy/domain"
)

// findingKey identifies a finding.
type findingKey struct {
	commitTs uint64
	table    string
	rowKey   string
	kind     domain.FindingKind
}

func keyOf(f domain.Finding) findingKey { return findingKey{f.CommitTs, f.Table, f.RowKey, f.Kind} }

// replaceFindings makes the findings of a span of commits those that are
// given: after from, up to through. It returns those that were not there.
func replaceFindings(ctx context.Context, tx *sql.Tx, generation int, from, through uint64, found []domain.Finding) (added []domain.Finding, err error) {
	stored, err := findingKeys(ctx, tx, generation, from, through)
	if err != nil {
		return nil, err
	}
	for _, finding := range found {
		if !stored[keyOf(finding)] {
			added = append(added, finding)
		}
		delete(stored, keyOf(finding))
	}
	for key := range stored { // not found again
		_, err := tx.ExecContext(ctx,
			"DELETE FROM projection_audit_findings WHERE generation = ? AND commit_ts = ? AND table_name = ? AND row_key = ? AND kind = ?",
			generation, key.commitTs, key.table, key.rowKey, key.kind)
		if err != nil {
			return nil, fmt.Errorf("remove a finding: %w", err)
		}
	}
	return added, insertFindings(ctx, tx, generation, found)
}

// findingKeys returns the findings of commits after from, up to through.
func findingKeys(ctx context.Context, tx *sql.Tx, generation int, from, through uint64) (map[findingKey]bool, error) {
	rows, err := tx.QueryContext(ctx, `
		SELECT commit_ts, table_name, row_key, kind FROM projection_audit_findings
		WHERE generation = ? AND commit_ts > ? AND commit_ts <= ?`, generation, from, through)
	if err != nil {
		return nil, fmt.Errorf("read findings: %w", err)
	}
	defer rows.Close()
	keys := map[findingKey]bool{}
	for rows.Next() {
		var key findingKey
		if err := rows.Scan(&key.commitTs, &key.table, &key.rowKey, &key.kind); err != nil {
			return nil, fmt.Errorf("read finding: %w", err)
		}
		keys[key] = true
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read findings: %w", err)
	}
	return keys, nil
}

func insertFindings(ctx context.Context, tx *sql.Tx, generation int, found []domain.Finding) error {
	const columns = 11
	for some := range slices.Chunk(found, maxTuples) {
		args := make([]any, 0, columns*len(some))
		for _, f := range some {
			args = append(args, generation, f.CommitTs, f.Table, f.RowKey, f.Kind, nullNumber(f.UserID), nullText(f.Username), f.Detail,
				f.Topic, f.Partition, f.Offset)
		}
		_, err := tx.ExecContext(ctx, `
			INSERT INTO projection_audit_findings
			       (generation, commit_ts, table_name, row_key, kind, user_id, username, detail, topic, kafka_partition, kafka_offset)
			VALUES `+tuples(len(some), columns)+`
			ON DUPLICATE KEY UPDATE user_id = VALUES(user_id), username = VALUES(username), detail = VALUES(detail),
			       topic = VALUES(topic), kafka_partition = VALUES(kafka_partition), kafka_offset = VALUES(kafka_offset)`, args...)
		if err != nil {
			return fmt.Errorf("write findings: %w", err)
		}
	}
	return nil
}
