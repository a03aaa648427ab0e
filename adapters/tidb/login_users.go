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
	for some := range slices.Chunk(users, maxTuples) {
		fresh, err := insertUsersNotIn(ctx, tx, generation, some, "")
		if errorCode(err) == codeDuplicateKey {
			// One was added since this transaction began.
			fresh, err = insertUsersNotIn(ctx, tx, generation, some, " FOR UPDATE")
		}
		if err != nil {
			return metAnother(err)
		}
		for _, u := range fresh {
			changes[counter{u.bucket, domain.LoginUsers, 0}]++
		}
	}
	return nil
}

const userColumns = 4

func userArgs(generation int, users []userIn) []any {
	args := make([]any, 0, userColumns*len(users))
	for _, u := range users {
		args = append(args, generation, u.period, u.start, u.user)
	}
	return args
}

// insertUsersNotIn writes the users that are not there, and returns them.
func insertUsersNotIn(ctx context.Context, tx *sql.Tx, generation int, users []userIn, lock string) ([]userIn, error) {
	known, err := loginUsers(ctx, tx, generation, users, lock)
	if err != nil {
		return nil, err
	}
	fresh := slices.DeleteFunc(slices.Clone(users), func(u userIn) bool { return known[u] })
	if len(fresh) == 0 {
		return nil, nil
	}
	_, err = tx.ExecContext(ctx, `
		INSERT INTO projection_login_users (generation, period, starts_at, user_id)
		VALUES `+tuples(len(fresh), userColumns), userArgs(generation, fresh)...)
	if err != nil {
		return nil, fmt.Errorf("write users that logged in: %w", err)
	}
	return fresh, nil
}

// loginUsers returns those of the users that are there.
func loginUsers(ctx context.Context, tx *sql.Tx, generation int, users []userIn, lock string) (map[userIn]bool, error) {
	rows, err := tx.QueryContext(ctx, `
		SELECT period, starts_at, user_id FROM projection_login_users
		WHERE (generation, period, starts_at, user_id) IN (`+tuples(len(users), userColumns)+`)`+lock, userArgs(generation, users)...)
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
