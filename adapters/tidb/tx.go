package tidb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// maxConflicts bounds how often a transaction is tried again because another
// one was in its way.
const maxConflicts = 10

// errOutcomeUnknown says that COMMIT was sent and no answer came: the
// transaction may or may not have happened.
var errOutcomeUnknown = errors.New("the outcome of COMMIT is unknown")

// errSettled is returned by a txFunc that found an earlier attempt committed.
var errSettled = errors.New("an earlier attempt was committed")

// txFunc is the body of a transaction. It may run several times. inDoubt says
// that the outcome of an earlier attempt is unknown: the function must then,
// after it has taken its locks (which wait for that attempt to end), look for
// what the attempt would have written, and return errSettled if it is there.
type txFunc func(ctx context.Context, tx *sql.Tx, inDoubt bool) error

// inTx runs fn in a transaction and tries again after a conflict and after a
// COMMIT of unknown outcome, the latter until ctx ends.
func inTx(ctx context.Context, db *sql.DB, fn txFunc) error {
	return inTxAt(ctx, db, sql.LevelDefault, fn)
}

// inTxAt is inTx at an isolation level. At LevelReadCommitted each statement
// sees what was committed before it, so that a plain read after a lock is of
// what the lock protects.
func inTxAt(ctx context.Context, db *sql.DB, level sql.IsolationLevel, fn txFunc) error {
	var (
		inDoubt   bool
		conflicts int
		last      error
	)
	attempt := func() (struct{}, error) {
		err := once(ctx, db, level, fn, inDoubt)
		last = err
		switch {
		case err == nil || errors.Is(err, errSettled):
			return struct{}{}, nil
		case errors.Is(err, errOutcomeUnknown):
			inDoubt = true
		case (isConflict(err) || errors.Is(err, errObstructed)) && conflicts < maxConflicts:
			conflicts++
		case inDoubt && isOutage(err):
			// The question is still open: ask again.
		default:
			err = backoff.Permanent(err)
		}
		return struct{}{}, err
	}
	wait := backoff.NewExponentialBackOff()
	wait.InitialInterval = 5 * time.Millisecond
	wait.MaxInterval = 500 * time.Millisecond
	_, err := backoff.Retry(ctx, attempt, backoff.WithBackOff(wait), backoff.WithMaxElapsedTime(0))
	if err != nil && last != nil && !errors.Is(last, err) {
		err = fmt.Errorf("%w: %w", err, last) // the context ended: say during what
	}
	return err
}

func once(ctx context.Context, db *sql.DB, level sql.IsolationLevel, fn txFunc, inDoubt bool) error {
	tx, err := db.BeginTx(ctx, &sql.TxOptions{Isolation: level})
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	if err := fn(ctx, tx, inDoubt); err != nil {
		// A failed rollback leaves a broken connection, which the pool drops
		// and the server rolls back; fn's error is the one that matters.
		_ = tx.Rollback()
		return err
	}
	if err := tx.Commit(); err != nil {
		if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
			return fmt.Errorf("commit: %w", err) // it was not sent
		}
		if isServerError(err) {
			return fmt.Errorf("commit: %w", err) // the server refused it
		}
		return fmt.Errorf("commit: %w: %w", errOutcomeUnknown, err)
	}
	return nil
}
