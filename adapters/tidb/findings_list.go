package tidb

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"helfy/app/query"
	"helfy/domain"
)

var _ query.Findings = AuditLog{}

// Findings implements query.Findings.
func (a AuditLog) Findings(
	ctx context.Context, filter query.FindingFilter, before *query.FindingPosition, limit int,
) ([]query.Finding, error) {
	var where []string
	var args []any
	if filter.Kind != "" {
		where, args = append(where, "f.kind = ?"), append(args, filter.Kind)
	}
	if filter.UserID != 0 {
		where, args = append(where, "f.user_id = ?"), append(args, filter.UserID)
	}
	if filter.CommitTs != 0 {
		where, args = append(where, "f.commit_ts = ?"), append(args, filter.CommitTs)
	}
	if before != nil {
		where = append(where, "(f.commit_ts, f.table_name, f.row_key, f.kind) < (?, ?, ?, ?)")
		args = append(args, before.CommitTs, before.Table, before.RowKey, before.Kind)
	}
	return a.findings(ctx, where, args, limit)
}

// findings returns at most limit findings of which conditions hold, the newest
// commit first.
func (a AuditLog) findings(ctx context.Context, where []string, args []any, limit int) ([]query.Finding, error) {
	number, of := a.number()
	where, args = append(where, "f.generation = "+number), append(args, of)
	rows, err := a.db.QueryContext(ctx, `
		SELECT f.kind, f.commit_ts, f.table_name, f.row_key, f.user_id, f.username, f.detail,
		       f.topic, f.kafka_partition, f.kafka_offset, a.old_row, a.new_row
		FROM projection_audit_findings f LEFT JOIN projection_audit_entries a
		  ON a.generation = f.generation AND a.commit_ts = f.commit_ts AND a.table_name = f.table_name AND a.row_key = f.row_key
		WHERE `+strings.Join(where, " AND ")+`
		ORDER BY f.commit_ts DESC, f.table_name DESC, f.row_key DESC, f.kind DESC LIMIT ?`, append(args, limit)...)
	if err != nil {
		return nil, fmt.Errorf("read findings: %w", err)
	}
	defer rows.Close()
	found := []query.Finding{}
	for rows.Next() {
		finding, err := scanFinding(rows)
		if err != nil {
			return nil, fmt.Errorf("read finding: %w", err)
		}
		found = append(found, finding)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read findings: %w", err)
	}
	return found, nil
}

func scanFinding(rows *sql.Rows) (query.Finding, error) {
	var (
		f        query.Finding
		userID   sql.NullInt64
		username sql.NullString
	)
	err := rows.Scan(&f.Kind, &f.CommitTs, &f.Table, &f.RowKey, &userID, &username, &f.Detail,
		&f.Topic, &f.Partition, &f.Offset, &f.Old, &f.New)
	f.UserID, f.Username = domain.UserID(userID.Int64), username.String
	return f, err
}

// CountFindings returns how many findings there are of each kind, those
// without any left out.
func (a AuditLog) CountFindings(ctx context.Context) (map[domain.FindingKind]int, error) {
	number, of := a.number()
	rows, err := a.db.QueryContext(ctx, "SELECT kind, COUNT(*) FROM projection_audit_findings WHERE generation = "+number+" GROUP BY kind", of)
	if err != nil {
		return nil, fmt.Errorf("count findings: %w", err)
	}
	defer rows.Close()
	counts := map[domain.FindingKind]int{}
	for rows.Next() {
		var kind domain.FindingKind
		var count int
		if err := rows.Scan(&kind, &count); err != nil {
			return nil, fmt.Errorf("count findings: %w", err)
		}
		counts[kind] = count
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("count findings: %w", err)
	}
	return counts, nil
}
