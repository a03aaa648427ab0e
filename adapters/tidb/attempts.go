package tidb

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"helfy/domain"
)

// Attempts implements command.Logins.
func (u *Users) Attempts(ctx context.Context, subject string, change func(*domain.Attempts)) error {
	// Doing it again does no harm: an attempt of unknown outcome needs no
	// settling.
	err := u.inTx(ctx, commandCountTries, func(ctx context.Context, tx *sql.Tx, _ bool) error {
		attempts, err := lockAttempts(ctx, tx, subject)
		if err != nil {
			return err
		}
		change(&attempts)
		return saveAttempts(ctx, tx, subject, attempts)
	})
	if err != nil {
		return fmt.Errorf("count tries of %s: %w", subject, err)
	}
	return nil
}

const attemptColumns = "subject, failures, first_failed_at, last_failed_at, locks, locked_until, reservations"

// lockAttempts reads the tries of a subject and holds them, also if there are
// none yet: TiDB locks a primary key that has no row.
func lockAttempts(ctx context.Context, tx *sql.Tx, subject string) (domain.Attempts, error) {
	row := tx.QueryRowContext(ctx, "SELECT "+attemptColumns+" FROM login_attempts WHERE subject = ? FOR UPDATE", subject)
	_, attempts, err := scanAttempts(row)
	if errors.Is(err, sql.ErrNoRows) {
		return domain.Attempts{}, nil
	}
	if err != nil {
		return domain.Attempts{}, fmt.Errorf("read tries: %w", err)
	}
	return attempts, nil
}

func scanAttempts(row interface{ Scan(...any) error }) (subject string, a domain.Attempts, err error) {
	var until sql.NullTime
	var reservations []byte
	err = row.Scan(&subject, &a.Failures, &a.FirstFailedAt, &a.LastFailedAt, &a.Locks, &until, &reservations)
	if err != nil {
		return "", domain.Attempts{}, err
	}
	a.LockedUntil = until.Time
	if len(reservations) > 0 {
		err = json.Unmarshal(reservations, &a.Reservations)
	}
	return subject, a, err
}

// never stands for a time that there is none of, in a column that has one.
var never = time.Unix(0, 0).UTC()

// saveAttempts writes what is to be remembered of a subject's tries. That takes
// the same time for every kind of try, also if there is nothing: the table's TTL
// removes rows that are not written any more.
func saveAttempts(ctx context.Context, tx *sql.Tx, subject string, a domain.Attempts) error {
	first, last := a.FirstFailedAt, a.LastFailedAt
	if first.Before(never) {
		first = never
	}
	if last.Before(never) {
		last = never
	}
	reservations, err := json.Marshal(a.Reservations)
	if err != nil {
		return fmt.Errorf("write reservations: %w", err)
	}
	_, err = tx.ExecContext(ctx,
		"REPLACE INTO login_attempts ("+attemptColumns+", touched_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
		subject, a.Failures, first, last, a.Locks, nullTime(a.LockedUntil), string(reservations), time.Now().UTC())
	if err != nil {
		return fmt.Errorf("write tries: %w", err)
	}
	return nil
}
