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
)

// ErrHeld says that somebody else holds a lock.
var ErrHeld = errors.New("somebody else is at it")

// holdCheck is how often a holder looks whether it still has its connection,
// and so its lock.
const holdCheck = time.Second

// errLockLost ends the work of a holder whose connection has broken: another
// one may have the lock.
var errLockLost = errors.New("the connection that holds the lock is lost")

// Hold takes a lock that lasts as long as a connection of its own: that of a
// process that was killed is free at once. The context that it returns ends
// when the lock is lost; release gives it back. It returns ErrHeld, which says
// who it is, without waiting, if somebody has it.
func Hold(ctx context.Context, db *sql.DB, name string) (held context.Context, release func() error, err error) {
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("take lock %s: %w", name, err)
	}
	var got sql.NullInt64
	if err := conn.QueryRowContext(ctx, "SELECT GET_LOCK(?, 0)", name).Scan(&got); err != nil {
		return nil, nil, errors.Join(fmt.Errorf("take lock %s: %w", name, err), conn.Close())
	}
	if got.Int64 != 1 {
		return nil, nil, errors.Join(refused(ctx, conn, name), conn.Close())
	}
	if err := sign(ctx, conn, name); err != nil {
		return nil, nil, errors.Join(fmt.Errorf("take lock %s: %w", name, err), conn.Raw(discard), conn.Close())
	}
	held, lose := context.WithCancelCause(ctx)
	var watching sync.WaitGroup
	watching.Go(func() { watchLock(held, conn, lose) })
	return held, func() error {
		lose(context.Canceled)
		watching.Wait()
		ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), ioTimeout)
		defer cancel()
		_, err := conn.ExecContext(ending, "DO RELEASE_LOCK(?)", name)
		if err := errors.Join(err, conn.Close()); err != nil {
			return fmt.Errorf("release lock %s: %w", name, err)
		}
		return nil
	}, nil
}

// discard makes the pool forget a connection, and so the server its locks.
func discard(any) error { return driver.ErrBadConn }

// sign says who holds the lock.
func sign(ctx context.Context, conn *sql.Conn, name string) error {
	host, err := os.Hostname()
	if err != nil {
		return fmt.Errorf("tell who takes it: %w", err)
	}
	_, err = conn.ExecContext(ctx, "REPLACE INTO lock_holders (name, holder, since) VALUES (?, ?, ?)",
		name, fmt.Sprintf("process %d on %s", os.Getpid(), host), time.Now().UTC())
	return err
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

func watchLock(ctx context.Context, conn *sql.Conn, lose context.CancelCauseFunc) {
	ticker := time.NewTicker(holdCheck)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
		if err := conn.PingContext(ctx); err != nil && ctx.Err() == nil {
			lose(fmt.Errorf("%w: %w", errLockLost, err))
			return
		}
	}
}
