package tidb

import (
	"context"
	"database/sql"
	"fmt"

	"helfy/app/query"
)

// KeyUsage returns how much each key has sealed: the events of the audit log's
// live generation, credentials, sessions and what is remembered of requests. It
// reads all of them.
func KeyUsage(ctx context.Context, db *sql.DB) (all []query.KeyUse, err error) {
	rows, err := db.QueryContext(ctx, `
		SELECT 'events', JSON_UNQUOTE(JSON_EXTRACT(new_row, '$.key_id')) AS used, COUNT(*), MIN(commit_ts), MAX(commit_ts)
		FROM projection_audit_entries e JOIN projection_generations g ON g.generation = e.generation
		WHERE g.projection = 'audit' AND g.state = 'live' AND e.source = 'event' GROUP BY used
		UNION ALL SELECT 'credentials', key_id, COUNT(*), 0, 0 FROM credentials GROUP BY key_id
		UNION ALL SELECT 'sessions', key_id, COUNT(*), 0, 0 FROM sessions GROUP BY key_id
		UNION ALL SELECT 'requests', key_id, COUNT(*), 0, 0 FROM idempotency_keys GROUP BY key_id
		ORDER BY 1, 4, 2`)
	if err != nil {
		return nil, fmt.Errorf("count what keys have sealed: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var use query.KeyUse
		if err := rows.Scan(&use.What, &use.KeyID, &use.Count, &use.From, &use.To); err != nil {
			return nil, fmt.Errorf("count what keys have sealed: %w", err)
		}
		all = append(all, use)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("count what keys have sealed: %w", err)
	}
	return all, nil
}
