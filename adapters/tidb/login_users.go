package tidb

import (
	"context"
	"database/sql"
	"fmt"
	"slices"

	"helfy/domain"
)

// insertLoginUsers writes who logged in, and counts those who are new to their
// bucket.
func insertLoginUsers(ctx context.Context, tx *sql.Tx, generation int, users []userIn, changes counters) error {
	const columns = 4
	for some := range slices.Chunk(users, maxTuples) {
		args := make([]any, 0, columns*len(some))
		for _, u := range some {
			args = append(args, generation, u.period, u.start, u.user)
		}
		known, err := lockLoginUsers(ctx, tx, args)
		if err != nil {
			return err
		}
		args = args[:0]
		for _, u := range some {
			if !known[u] {
				changes[counter{u.bucket, domain.LoginUsers, 0}]++
				args = append(args, generation, u.period, u.start, u.user)
			}
		}
		if len(args) == 0 {
			continue
		}
		_, err = tx.ExecContext(ctx, `
			INSERT INTO projection_login_users (generation, period, starts_at, user_id)
			VALUES `+tuples(len(args)/columns, columns), args...)
		if err != nil {
			return fmt.Errorf("write users that logged in: %w", metAnother(err))
		}
	}
	return nil
}

// lockLoginUsers returns those of the keys, of four columns each, that are
// there, and holds them all.
func lockLoginUsers(ctx context.Context, tx *sql.Tx, keys []any) (map[userIn]bool, error) {
	rows, err := tx.QueryContext(ctx, `
		SELECT period, starts_at, user_id FROM projection_login_users
		WHERE (generation, period, starts_at, user_id) IN (`+tuples(len(keys)/4, 4)+`) FOR UPDATE`, keys...)
	if err != nil {
		return nil, fmt.Errorf("look for users that logged in: %w", err)
	}
	defer rows.Close()
	known := map[userIn]bool{}
	for rows.Next() {
		var u userIn
		if err := rows.Scan(&u.period, &u.start, &u.user); err != nil {
			return nil, fmt.Errorf("look for a user that logged in: %w", err)
		}
		known[u] = true
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("look for users that logged in: %w", err)
	}
	return known, nil
}
