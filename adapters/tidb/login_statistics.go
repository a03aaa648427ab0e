package tidb

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"helfy/app/projection"
	"helfy/app/query"
	"helfy/domain"
)

// LoginStatistics implements query.LoginCounts: the live generation of the
// projection of login statistics. It is safe for concurrent use.
type LoginStatistics struct{ db *sql.DB }

var (
	_ query.LoginCounts = LoginStatistics{}
	_ query.LoginSince  = LoginStatistics{}
)

// NewLoginStatistics returns the projection of login statistics in db.
func NewLoginStatistics(db *sql.DB) LoginStatistics { return LoginStatistics{db: db} }

// Counts implements query.LoginCounts.
func (l LoginStatistics) Counts(
	ctx context.Context, period domain.Period, from, to time.Time, take func(query.LoginCount),
) error {
	rows, err := l.db.QueryContext(ctx, `
		SELECT starts_at, measure, cell, count FROM projection_login_counts
		WHERE generation = `+liveGeneration+` AND period = ? AND starts_at >= ? AND starts_at < ?
		ORDER BY starts_at, measure, cell`, projection.LoginsName, period, from.Unix(), to.Unix())
	if err != nil {
		return fmt.Errorf("read login statistics: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var count query.LoginCount
		var start int64
		if err := rows.Scan(&start, &count.Measure, &count.Cell, &count.Count); err != nil {
			return fmt.Errorf("read login statistics: %w", err)
		}
		count.Start = time.Unix(start, 0).UTC()
		take(count)
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read login statistics: %w", err)
	}
	return nil
}

// Since implements query.LoginSince. What happened before the hour is not
// counted, and a user who logged in in two hours is one user.
func (l LoginStatistics) Since(ctx context.Context, start time.Time) (sums query.LoginSums, err error) {
	err = l.db.QueryRowContext(ctx, `
		SELECT COALESCE(SUM(IF(measure = ?, count, 0)), 0), COALESCE(SUM(IF(measure = ?, count, 0)), 0), COALESCE(SUM(IF(measure = ?, count, 0)), 0)
		FROM projection_login_counts WHERE generation = `+liveGeneration+` AND period = ? AND starts_at >= ?`,
		domain.Logins, domain.LoginFailures, domain.Lockouts, projection.LoginsName, domain.Hour, start.Unix(),
	).Scan(&sums.Logins, &sums.Failures, &sums.Lockouts)
	if err == nil {
		err = l.db.QueryRowContext(ctx, `
			SELECT COUNT(DISTINCT user_id) FROM projection_login_users
			WHERE generation = `+liveGeneration+` AND period = ? AND starts_at >= ?`,
			projection.LoginsName, domain.Hour, start.Unix()).Scan(&sums.Users)
	}
	if err != nil {
		return sums, fmt.Errorf("sum up login statistics: %w", err)
	}
	return sums, nil
}

// CompleteThrough implements query.LoginCounts.
func (l LoginStatistics) CompleteThrough(ctx context.Context) (uint64, error) {
	return completeThrough(ctx, l.db, projection.LoginsName, liveGeneration, projection.LoginsName)
}

// DeadLetters implements query.LoginCounts.
func (l LoginStatistics) DeadLetters(ctx context.Context) (int64, error) {
	return NewDeadLetters(l.db).openOf(ctx, projection.LoginsName)
}
