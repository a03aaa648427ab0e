package tidb

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"helfy/domain"
)

// noteLate lets verification begin anew if one of the entries, which are about
// to be written, tells something new of commits that are verified: a message
// that came after the watermark, or was a dead letter before. Repeats do not.
//
// Verification goes no further than the watermarks, so what is beyond that of
// its partition cannot be late; one that never had any says nothing. tx holds
// the checkpoints that have the watermarks.
func noteLate(
	ctx context.Context, tx *sql.Tx, generation int, watermarks map[partitionKey]uint64, entries []domain.AuditEntry,
) error {
	var behind []domain.AuditEntry
	for _, entry := range entries {
		watermark := watermarks[partitionKey{entry.Topic, entry.Partition}]
		if watermark == 0 || entry.CommitTs <= watermark {
			behind = append(behind, entry)
		}
	}
	if len(behind) == 0 {
		return nil
	}
	// Held until tx ends: a verification that waits for it sees the entries.
	at, err := lockVerification(ctx, tx, generation)
	if err != nil {
		return err
	}
	var passed []domain.AuditEntry
	for _, entry := range behind {
		if entry.CommitTs <= at.through {
			passed = append(passed, entry)
		}
	}
	if len(passed) == 0 {
		return nil
	}
	late, err := tellsMore(ctx, tx, generation, passed)
	if err != nil || !late {
		return err
	}
	return moveVerification(ctx, tx, generation, at.anew())
}

// tellsMore reports whether one of the entries is not in the table, or has a
// half that is missing there.
func tellsMore(ctx context.Context, tx *sql.Tx, generation int, entries []domain.AuditEntry) (bool, error) {
	type identity struct {
		commitTs      uint64
		table, rowKey string
	}
	type halves struct{ before, after bool }
	args := append(make([]any, 0, 1+3*len(entries)), generation)
	for _, entry := range entries {
		args = append(args, entry.CommitTs, entry.Table, entry.RowKey)
	}
	rows, err := tx.QueryContext(ctx, `
		SELECT commit_ts, table_name, row_key, old_row IS NOT NULL, new_row IS NOT NULL FROM projection_audit_entries
		WHERE generation = ? AND (commit_ts, table_name, row_key) IN (`+tuples(len(entries), 3)+`) FOR UPDATE`, args...)
	if err != nil {
		return false, fmt.Errorf("look for late audit entries: %w", err)
	}
	defer rows.Close()
	stored := map[identity]halves{}
	for rows.Next() {
		var id identity
		var has halves
		if err := rows.Scan(&id.commitTs, &id.table, &id.rowKey, &has.before, &has.after); err != nil {
			return false, fmt.Errorf("look for a late audit entry: %w", err)
		}
		id.rowKey = strings.TrimRight(id.rowKey, " ") // which the table does not compare
		stored[id] = has
	}
	if err := rows.Err(); err != nil {
		return false, fmt.Errorf("look for late audit entries: %w", err)
	}
	for _, entry := range entries {
		has, known := stored[identity{entry.CommitTs, entry.Table, strings.TrimRight(entry.RowKey, " ")}]
		if !known || entry.Old != nil && !has.before || entry.New != nil && !has.after {
			return true, nil
		}
	}
	return false, nil
}
