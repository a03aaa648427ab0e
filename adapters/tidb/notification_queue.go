package tidb

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"helfy/app/notification"
)

// Notifications implements notification.Queue. Its clock is the database's, so
// that processes agree on when a claim ends. It is safe for concurrent use,
// also by several processes.
type Notifications struct{ db *sql.DB }

var _ notification.Queue = Notifications{}

// NewNotifications returns the queue in db.
func NewNotifications(db *sql.DB) Notifications { return Notifications{db} }

// Claim implements notification.Queue.
func (n Notifications) Claim(
	ctx context.Context, channel notification.Channel, limit int, lease time.Duration,
) ([]notification.Claimed, error) {
	// Most looks find nothing: they should not lock.
	var due bool
	err := n.db.QueryRowContext(ctx, `SELECT EXISTS (
		SELECT 1 FROM notifications WHERE channel = ? AND state = ? AND next_try_at <= UTC_TIMESTAMP(6))`,
		channel, notification.Pending).Scan(&due)
	if err != nil {
		return nil, fmt.Errorf("look for notifications: %w", err)
	}
	if !due {
		return nil, nil
	}
	claim := uuid.NewString()
	err = inTx(ctx, n.db, func(ctx context.Context, tx *sql.Tx, inDoubt bool) error {
		result, err := tx.ExecContext(ctx, `
			UPDATE notifications SET claim = ?, tries = tries + 1, next_try_at = UTC_TIMESTAMP(6) + INTERVAL ? MICROSECOND
			WHERE channel = ? AND state = ? AND next_try_at <= UTC_TIMESTAMP(6) ORDER BY next_try_at LIMIT ?`,
			claim, lease.Microseconds(), channel, notification.Pending, limit)
		if err != nil || !inDoubt {
			return err
		}
		return settleClaim(ctx, tx, claim, result)
	})
	if err != nil {
		return nil, fmt.Errorf("claim notifications: %w", err)
	}
	return n.claimed(ctx, claim)
}

// settleClaim returns errSettled if an attempt of unknown outcome has claimed
// notifications: with those of this one they would be more than were asked for.
func settleClaim(ctx context.Context, tx *sql.Tx, claim string, updated sql.Result) error {
	fresh, err := updated.RowsAffected()
	if err != nil {
		return err
	}
	var all int64
	if err := tx.QueryRowContext(ctx, "SELECT COUNT(*) FROM notifications WHERE claim = ? FOR UPDATE", claim).Scan(&all); err != nil {
		return err
	}
	if all > fresh {
		return errSettled
	}
	return nil
}

func (n Notifications) claimed(ctx context.Context, claim string) ([]notification.Claimed, error) {
	rows, err := n.db.QueryContext(ctx, `
		SELECT id, channel, type, body, tries, TIMESTAMPDIFF(MICROSECOND, began_at, UTC_TIMESTAMP(6))
		FROM notifications WHERE claim = ? AND state = ?`, claim, notification.Pending)
	if err != nil {
		return nil, fmt.Errorf("read claimed notifications: %w", err)
	}
	defer rows.Close()
	var all []notification.Claimed
	for rows.Next() {
		one := notification.Claimed{Claim: claim}
		var micros int64
		if err := rows.Scan(&one.ID, &one.Channel, &one.Type, &one.Body, &one.Tries, &micros); err != nil {
			return nil, fmt.Errorf("read claimed notification: %w", err)
		}
		one.Age = time.Duration(micros) * time.Microsecond
		all = append(all, one)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read claimed notifications: %w", err)
	}
	return all, nil
}

// Settle implements notification.Queue.
func (n Notifications) Settle(ctx context.Context, claimed notification.Claimed, outcome notification.Outcome) error {
	set, args := "finished_at = UTC_TIMESTAMP(6)", []any{outcome.State, nullText(outcome.Reason)}
	if outcome.State == notification.Pending {
		set, args = "next_try_at = UTC_TIMESTAMP(6) + INTERVAL ? MICROSECOND", append(args, outcome.Pause.Microseconds())
	}
	err := inTx(ctx, n.db, func(ctx context.Context, tx *sql.Tx, _ bool) error {
		_, err := tx.ExecContext(ctx, "UPDATE notifications SET state = ?, reason = ?, claim = NULL, "+set+" WHERE id = ? AND claim = ?",
			append(args, claimed.ID, claimed.Claim)...)
		return err
	})
	if err != nil {
		return fmt.Errorf("settle notification %s: %w", claimed.ID, err)
	}
	return nil
}

// Retry makes a notification that is dead or expired due, with all its tries,
// or all that are dead if id is empty. It returns how many there were.
func (n Notifications) Retry(ctx context.Context, id string) (count int64, err error) {
	which, args := "state = ?", []any{notification.Pending, notification.Dead}
	if id != "" {
		which, args = "id = ? AND state IN (?, ?)", []any{notification.Pending, id, notification.Dead, notification.Expired}
	}
	result, err := n.db.ExecContext(ctx, `
		UPDATE notifications SET state = ?, tries = 0, claim = NULL, finished_at = NULL,
		       began_at = UTC_TIMESTAMP(6), next_try_at = UTC_TIMESTAMP(6)
		WHERE `+which, args...)
	if err != nil {
		return 0, fmt.Errorf("retry notifications: %w", err)
	}
	return result.RowsAffected()
}

// List returns up to limit notifications of a state, or of any if it is empty,
// the newest first.
func (n Notifications) List(ctx context.Context, state notification.State, limit int) ([]notification.Stored, error) {
	where, args := "", []any{}
	if state != "" {
		where, args = "WHERE state = ?", append(args, state)
	}
	rows, err := n.db.QueryContext(ctx, `
		SELECT id, channel, type, body, state, created_at, tries, next_try_at, reason, finished_at
		FROM notifications `+where+` ORDER BY created_at DESC, id DESC LIMIT ?`, append(args, limit)...)
	if err != nil {
		return nil, fmt.Errorf("read notifications: %w", err)
	}
	defer rows.Close()
	var all []notification.Stored
	for rows.Next() {
		var one notification.Stored
		var reason sql.NullString
		var finished sql.NullTime
		err := rows.Scan(&one.ID, &one.Channel, &one.Type, &one.Body, &one.State, &one.CreatedAt, &one.Tries, &one.NextTryAt, &reason, &finished)
		if err != nil {
			return nil, fmt.Errorf("read notification: %w", err)
		}
		one.Reason, one.FinishedAt = reason.String, finished.Time
		all = append(all, one)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read notifications: %w", err)
	}
	return all, nil
}

// Counts returns how many notifications there are by channel and state, those
// without any left out.
func (n Notifications) Counts(ctx context.Context) (map[notification.Channel]map[notification.State]int, error) {
	rows, err := n.db.QueryContext(ctx, "SELECT channel, state, COUNT(*) FROM notifications GROUP BY channel, state")
	if err != nil {
		return nil, fmt.Errorf("count notifications: %w", err)
	}
	defer rows.Close()
	counts := map[notification.Channel]map[notification.State]int{}
	for rows.Next() {
		var channel notification.Channel
		var state notification.State
		var count int
		if err := rows.Scan(&channel, &state, &count); err != nil {
			return nil, fmt.Errorf("count notifications: %w", err)
		}
		if counts[channel] == nil {
			counts[channel] = map[notification.State]int{}
		}
		counts[channel][state] = count
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("count notifications: %w", err)
	}
	return counts, nil
}

func repeat(tuple string, count int) string {
	return strings.TrimSuffix(strings.Repeat(tuple+", ", count), ", ")
}
