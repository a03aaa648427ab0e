package tidb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"helfy/app/notification"
	"helfy/app/projection"
	"helfy/domain"
)

var _ notification.Findings = NotificationStore{}

const (
	// findingsPage is how many findings are told of in one transaction.
	findingsPage = 200
	// maxWaiting is how many notifications may wait when findings are added.
	maxWaiting = 1000
)

// Enqueue implements notification.Findings.
func (s NotificationStore) Enqueue(ctx context.Context, seen notification.Verified) (notification.Verified, int, error) {
	// Read before the findings: those up to the mark are there.
	now, err := liveFindings(ctx, s.db)
	if err != nil || now == seen {
		return seen, 0, err
	}
	after, begun, err := since(ctx, s.db)
	if err != nil || !begun {
		return seen, 0, err
	}
	if now.Generation == seen.Generation && now.Pass == seen.Pass {
		after = max(after, seen.Through)
	}
	told := 0
	for {
		// Findings can wait where they are; whoever is told of thousands at
		// once is told nothing.
		if full, err := s.isFull(ctx); err != nil || full {
			return seen, told, err
		}
		count, err := s.enqueueFindings(ctx, now.Generation, after)
		told += count
		if err != nil {
			return seen, told, fmt.Errorf("make notifications of findings: %w", err)
		}
		if count < findingsPage {
			return now, told, nil
		}
	}
}

// isFull reports whether so many notifications wait that findings must.
func (s NotificationStore) isFull(ctx context.Context) (full bool, err error) {
	err = s.db.QueryRowContext(ctx, "SELECT COUNT(*) >= ? FROM (SELECT 1 FROM notifications WHERE state = ? LIMIT ?) AS waiting",
		maxWaiting, notification.Pending, maxWaiting).Scan(&full)
	if err != nil {
		return false, fmt.Errorf("count waiting notifications: %w", err)
	}
	return full, nil
}

// liveFindings returns how far the findings of the live generation are known,
// the zero value if there is none.
func liveFindings(ctx context.Context, from querier) (v notification.Verified, err error) {
	err = from.QueryRowContext(ctx,
		"SELECT generation, pass, verified_through FROM projection_audit_verification WHERE generation = "+liveGeneration,
		projection.AuditName).Scan(&v.Generation, &v.Pass, &v.Through)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return v, fmt.Errorf("read projection_audit_verification: %w", err)
	}
	return v, nil
}

// enqueueFindings tells of the first findings of commits after a TSO that were
// not told of, and returns how many there were.
func (s NotificationStore) enqueueFindings(ctx context.Context, generation int, after uint64) (count int, err error) {
	err = inTx(ctx, s.db, func(ctx context.Context, tx *sql.Tx, _ bool) error {
		found, err := untold(ctx, tx, generation, after)
		if err != nil {
			return err
		}
		count = len(found)
		var messages []notification.Message
		for _, finding := range found {
			result, err := tx.ExecContext(ctx,
				"INSERT IGNORE INTO notification_findings (commit_ts, table_name, row_key, kind) VALUES (?, ?, ?, ?)",
				finding.CommitTs, finding.Table, finding.RowKey, finding.Kind)
			if err != nil {
				return fmt.Errorf("note that a finding is told of: %w", err)
			}
			// Another process may have been faster.
			if inserted, err := result.RowsAffected(); err != nil {
				return fmt.Errorf("note that a finding is told of: %w", err)
			} else if inserted > 0 {
				messages = append(messages, notification.OfFinding(finding))
			}
		}
		return s.enqueue(ctx, tx, messages, 0)
	})
	return count, err
}

func untold(ctx context.Context, tx *sql.Tx, generation int, after uint64) ([]domain.Finding, error) {
	rows, err := tx.QueryContext(ctx, `
		SELECT f.kind, f.commit_ts, f.table_name, f.row_key, f.user_id, f.username, f.detail
		FROM projection_audit_findings f LEFT JOIN notification_findings n
		  ON n.commit_ts = f.commit_ts AND n.table_name = f.table_name AND n.row_key = f.row_key AND n.kind = f.kind
		WHERE f.generation = ? AND f.commit_ts > ? AND n.commit_ts IS NULL
		ORDER BY f.commit_ts, f.table_name, f.row_key, f.kind LIMIT ?`, generation, after, findingsPage)
	if err != nil {
		return nil, fmt.Errorf("read findings: %w", err)
	}
	defer rows.Close()
	var found []domain.Finding
	for rows.Next() {
		var f domain.Finding
		var userID sql.NullInt64
		var username sql.NullString
		if err := rows.Scan(&f.Kind, &f.CommitTs, &f.Table, &f.RowKey, &userID, &username, &f.Detail); err != nil {
			return nil, fmt.Errorf("read finding: %w", err)
		}
		f.UserID, f.Username = domain.UserID(userID.Int64), username.String
		found = append(found, f)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read findings: %w", err)
	}
	return found, nil
}
