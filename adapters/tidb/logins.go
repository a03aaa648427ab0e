package tidb

import (
	"context"
	"database/sql"
	"fmt"
	"slices"

	"helfy/app/projection"
)

// NewLoginsStore returns the store of the projection of login statistics in
// db.
func NewLoginsStore(db *sql.DB) *ProjectionStore[projection.LoginEvent] {
	return NewProjectionStore(db, loginsLayout, countLoginEvents)
}

var loginsLayout = Layout{
	Name: projection.LoginsName,
	Tables: []Table{
		{
			Name:    "projection_login_events",
			Key:     []Column{{"commit_ts", true}, {"row_key", false}},
			Content: []string{"measure", "count", "user_id", "lag_ms"},
		},
		{
			Name: "projection_login_users",
			Key:  []Column{{"period", false}, {"starts_at", true}, {"user_id", true}},
		},
		{
			Name:    "projection_login_counts",
			Key:     []Column{{"period", false}, {"starts_at", true}, {"measure", false}, {"cell", true}},
			Content: []string{"count"},
		},
	},
}

// countLoginEvents counts each event once. One that was counted before with a
// greater lag is given the lesser one, so that the result does not depend on
// the order in which repeats come.
func countLoginEvents(ctx context.Context, tx *sql.Tx, generation int, events []projection.LoginEvent) error {
	changes := counters{}
	var fresh []projection.LoginEvent
	for some := range slices.Chunk(distinct(events), maxTuples) {
		inserted, err := insertFreshLogins(ctx, tx, generation, some, changes)
		if err != nil {
			return err
		}
		fresh = append(fresh, inserted...)
	}
	for _, event := range fresh {
		changes.add(event)
	}
	if err := insertLoginUsers(ctx, tx, generation, usersOf(fresh), changes); err != nil {
		return err
	}
	return writeCounters(ctx, tx, generation, changes)
}

// insertFreshLogins writes the events that were not counted before, and
// returns them. Those that were with a greater lag are moved.
func insertFreshLogins(
	ctx context.Context, tx *sql.Tx, generation int, events []projection.LoginEvent, changes counters,
) ([]projection.LoginEvent, error) {
	// Most often all are fresh: then there is nothing to look for.
	err := insertLogins(ctx, tx, generation, events)
	if err == nil || errorCode(err) != codeDuplicateKey {
		return events, err
	}
	stored, err := lockLogins(ctx, tx, generation, events)
	if err != nil {
		return nil, err
	}
	var fresh []projection.LoginEvent
	for _, event := range events {
		lag, known := stored[loginKeyOf(event.CommitTs, event.RowKey)]
		switch {
		case !known:
			fresh = append(fresh, event)
		case event.Lag < lag:
			changes.move(event, lag, event.Lag)
			_, err := tx.ExecContext(ctx,
				"UPDATE projection_login_events SET lag_ms = ? WHERE generation = ? AND commit_ts = ? AND row_key = ?",
				event.Lag, generation, event.CommitTs, event.RowKey)
			if err != nil {
				return nil, fmt.Errorf("correct the lag of login event %s: %w", event.RowKey, err)
			}
		}
	}
	return fresh, metAnother(insertLogins(ctx, tx, generation, fresh))
}

// lockLogins returns the lag of each of the events that is counted, and holds
// them all.
func lockLogins(ctx context.Context, tx *sql.Tx, generation int, events []projection.LoginEvent) (map[loginKey]int64, error) {
	args := make([]any, 0, 3*len(events))
	for _, event := range events {
		args = append(args, generation, event.CommitTs, event.RowKey)
	}
	rows, err := tx.QueryContext(ctx, `
		SELECT commit_ts, row_key, lag_ms FROM projection_login_events
		WHERE (generation, commit_ts, row_key) IN (`+tuples(len(events), 3)+`) FOR UPDATE`, args...)
	if err != nil {
		return nil, fmt.Errorf("look for login events: %w", err)
	}
	defer rows.Close()
	stored := map[loginKey]int64{}
	for rows.Next() {
		var commitTs uint64
		var rowKey string
		var lag int64
		if err := rows.Scan(&commitTs, &rowKey, &lag); err != nil {
			return nil, fmt.Errorf("look for a login event: %w", err)
		}
		stored[loginKeyOf(commitTs, rowKey)] = lag
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("look for login events: %w", err)
	}
	return stored, nil
}

func insertLogins(ctx context.Context, tx *sql.Tx, generation int, events []projection.LoginEvent) error {
	if len(events) == 0 {
		return nil
	}
	const columns = 7
	args := make([]any, 0, columns*len(events))
	for _, e := range events {
		args = append(args, generation, e.CommitTs, e.RowKey, e.Measure, e.Count, nullNumber(e.UserID), e.Lag)
	}
	_, err := tx.ExecContext(ctx, `
		INSERT INTO projection_login_events (generation, commit_ts, row_key, measure, count, user_id, lag_ms)
		VALUES `+tuples(len(events), columns), args...)
	if err != nil {
		return fmt.Errorf("write login events: %w", err)
	}
	return nil
}

func writeCounters(ctx context.Context, tx *sql.Tx, generation int, changes counters) error {
	const columns = 6
	lessened := false
	for some := range slices.Chunk(changes.sorted(), maxTuples) {
		args := make([]any, 0, columns*len(some))
		for _, c := range some {
			args = append(args, generation, c.period, c.start, c.measure, c.cell, changes[c])
			lessened = lessened || changes[c] < 0
		}
		_, err := tx.ExecContext(ctx, `
			INSERT INTO projection_login_counts (generation, period, starts_at, measure, cell, count)
			VALUES `+tuples(len(some), columns)+`
			ON DUPLICATE KEY UPDATE count = count + VALUES(count)`, args...)
		if err != nil {
			return fmt.Errorf("count logins: %w", err)
		}
	}
	if !lessened {
		return nil
	}
	for c, change := range changes { // a cell that no event is in has no row
		if change >= 0 {
			continue
		}
		_, err := tx.ExecContext(ctx, `
			DELETE FROM projection_login_counts
			WHERE generation = ? AND period = ? AND starts_at = ? AND measure = ? AND cell = ? AND count = 0`,
			generation, c.period, c.start, c.measure, c.cell)
		if err != nil {
			return fmt.Errorf("count logins: %w", err)
		}
	}
	return nil
}
