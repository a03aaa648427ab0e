package tidb

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// ErrHeld says that somebody else holds a lock.
var ErrHeld = errors.New("somebody else is at it")

// holdCheck is how often a holder looks whether it still has its lock.
const holdCheck = time.Second

// ErrLockLost ends the work of a holder whose connection has broken, or whose
// lock TiDB gave to another one: it keeps a lock for max-txn-ttl, an hour
// unless configured.
var ErrLockLost = errors.New("the lock is lost")

// Hold takes a lock that lasts as long as a connection of its own: that of a
// process that was killed is free at once. The context that it returns ends
// when the lock is lost, its cause is ErrLockLost then; release gives it back.
// If somebody has it, Hold waits for a second, which is the least that TiDB
// does, and returns ErrHeld, which says who it is.
func Hold(ctx context.Context, db *sql.DB, name string) (held context.Context, release func() error, err error) {
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("take lock %s: %w", name, err)
	}
	got, err := getLock(ctx, conn, name, 1)
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("take lock %s: %w", name, err), conn.Close())
	}
	if !got {
		return nil, nil, errors.Join(refused(ctx, conn, name), conn.Close())
	}
	holder, err := sign(ctx, conn, name)
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("take lock %s: %w", name, err), drop(conn))
	}
	held, lose := context.WithCancelCause(ctx)
	var watching sync.WaitGroup
	watching.Go(func() { watchLock(held, conn, name, holder, lose) })
	return held, func() error {
		lose(context.Canceled)
		watching.Wait()
		ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), ioTimeout)
		defer cancel()
		_, err := conn.ExecContext(ending, "DO RELEASE_LOCK(?)", name)
		if err == nil {
			err = conn.Close()
		} else {
			err = drop(conn) // the lock goes with it
		}
		if err != nil {
			return fmt.Errorf("release lock %s: %w", name, err)
		}
		return nil
	}, nil
}

// getLock waits some seconds for a lock of TiDB and reports whether conn has it.
// TiDB keeps locks as rows, over which those who want one can be in each other's
// way.
func getLock(ctx context.Context, conn *sql.Conn, name string, seconds int) (bool, error) {
	wait := backoff.NewExponentialBackOff()
	wait.InitialInterval = 5 * time.Millisecond
	return backoff.Retry(ctx, func() (bool, error) {
		var got sql.NullInt64
		err := conn.QueryRowContext(ctx, "SELECT GET_LOCK(?, ?)", name, seconds).Scan(&got)
		if err != nil && !isConflict(err) {
			err = backoff.Permanent(err)
		}
		return got.Int64 == 1, err
	}, backoff.WithBackOff(wait), backoff.WithMaxTries(maxConflicts))
}

// drop makes the pool forget a connection, and so the server its locks.
func drop(conn *sql.Conn) error {
	err := conn.Raw(func(any) error { return driver.ErrBadConn })
	if errors.Is(err, driver.ErrBadConn) || errors.Is(err, sql.ErrConnDone) {
		return nil // as was asked for, or gone already
	}
	return err
}

// sign says who holds the lock, and returns it.
func sign(ctx context.Context, conn *sql.Conn, name string) (holder string, err error) {
	host, err := os.Hostname()
	if err != nil {
		return "", fmt.Errorf("tell who takes it: %w", err)
	}
	var connection uint64
	if err := conn.QueryRowContext(ctx, "SELECT CONNECTION_ID()").Scan(&connection); err != nil {
		return "", err
	}
	holder = fmt.Sprintf("process %d on %.200s, connection %d", os.Getpid(), host, connection)
	_, err = conn.ExecContext(ctx, "REPLACE INTO lock_holders (name, holder, since) VALUES (?, ?, ?)", name, holder, time.Now().UTC())
	return holder, err
}

// HeldBy returns who holds a lock, as Hold's refusal says it; empty if nobody
// does.
func HeldBy(ctx context.Context, db *sql.DB, name string) (holder string, err error) {
	err = db.QueryRowContext(ctx,
		"SELECT holder FROM lock_holders WHERE name = ? AND IS_USED_LOCK(name) IS NOT NULL", name).Scan(&holder)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return "", fmt.Errorf("look who holds lock %s: %w", name, err)
	}
	return holder, nil
}

// refused is the error of a lock that somebody else holds.
func refused(ctx context.Context, conn *sql.Conn, name string) error {
	var holder string
	var since time.Time
	err := conn.QueryRowContext(ctx, "SELECT holder, since FROM lock_holders WHERE name = ?", name).Scan(&holder, &since)
	if errors.Is(err, sql.ErrNoRows) {
		return ErrHeld // it has not signed yet
	}
	if err != nil {
		return fmt.Errorf("%w; tell who: %w", ErrHeld, err)
	}
	return fmt.Errorf("%w: %s, since %s", ErrHeld, holder, since.Format(time.RFC3339))
}

// watchLock ends the work of a holder that has lost its lock.
func watchLock(ctx context.Context, conn *sql.Conn, name, holder string, lose context.CancelCauseFunc) {
	ticker := time.NewTicker(holdCheck)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
		if err := stillSigned(ctx, conn, name, holder); err != nil {
			lose(fmt.Errorf("%w: %w", ErrLockLost, err))
			return
		}
	}
}

func stillSigned(ctx context.Context, conn *sql.Conn, name, holder string) error {
	// A query that is given up would cost the connection.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), ioTimeout)
	defer cancel()
	var signed string
	err := conn.QueryRowContext(ctx, "SELECT holder FROM lock_holders WHERE name = ?", name).Scan(&signed)
	if err == nil && signed != holder {
		err = fmt.Errorf("%s has it", signed)
	}
	return err
}
