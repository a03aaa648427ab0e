package tidb

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/go-sql-driver/mysql"
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
		case inDoubt && (isConnectionError(err) || errorCode(err) == codeLockWaitTimeout):
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

// isServerError reports whether TiDB itself answered with the error, so that
// the statement certainly had no effect.
func isServerError(err error) bool {
	var answer *mysql.MySQLError
	return errors.As(err, &answer)
}

// isConnectionError reports whether the database could not be asked.
func isConnectionError(err error) bool {
	var network net.Error
	return errors.Is(err, driver.ErrBadConn) || errors.Is(err, mysql.ErrInvalidConn) ||
		errors.Is(err, io.EOF) || errors.As(err, &network)
}

// IsOutage reports whether what was asked of the database may succeed when it
// is asked again: it could not be reached, or somebody holds a lock for long. What
// wraps ErrRefused is none.
func IsOutage(err error) bool {
	if errors.Is(err, ErrRefused) {
		return false
	}
	return errors.Is(err, ErrLockLost) || isConnectionError(err) || errorCode(err) == codeLockWaitTimeout ||
		isConflict(err) || errorCode(err) == codeServerShutdown
}

// TiDB's error codes: https://docs.pingcap.com/tidb/stable/error-codes
const (
	codeDatabaseDenied  = 1044
	codeAccessDenied    = 1045
	codeNotNull         = 1048
	codeUnknownDatabase = 1049
	codeServerShutdown  = 1053
	codeDuplicateKey    = 1062
	codeUnknownTable    = 1146
	codeLockWaitTimeout = 1205
	codeDeadlock        = 1213
	codeOutOfRange      = 1264
	codeBadValue        = 1366
	codeTooLong         = 1406
	codeInsecure        = 3159 // require_secure_transport
	codeCannotRetry     = 8002 // SELECT FOR UPDATE met a write conflict
	codeTxnTooLarge     = 8004
	codeRetryable       = 8022
	codeEntryTooLarge   = 8025
	codeSchemaChanged   = 8028
	codeWriteConflict   = 9007
)

// isRejected reports whether TiDB refuses a row for what it says, so that it
// will never take it.
func isRejected(err error) bool {
	switch errorCode(err) {
	case codeNotNull, codeOutOfRange, codeBadValue, codeTooLong, codeTxnTooLarge, codeEntryTooLarge:
		return true
	}
	return false
}

// errMetAnother says that another transaction has written the same row since
// it was looked for.
var errMetAnother = errors.New("another transaction has written the same row")

// metAnother makes a transaction that cannot insert a row be tried again: it
// has looked before whether the row is there.
func metAnother(err error) error {
	if errorCode(err) == codeDuplicateKey {
		return fmt.Errorf("%w: %w", errMetAnother, err)
	}
	return err
}

func isConflict(err error) bool {
	if errors.Is(err, errMetAnother) {
		return true
	}
	switch errorCode(err) {
	case codeDeadlock, codeCannotRetry, codeRetryable, codeSchemaChanged, codeWriteConflict:
		return true
	}
	return false
}

// errorCode returns the code of TiDB's answer, 0 for any other error.
func errorCode(err error) uint16 {
	var answer *mysql.MySQLError
	if errors.As(err, &answer) {
		return answer.Number
	}
	return 0
}
