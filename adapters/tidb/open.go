// Package tidb keeps users, events and projections in TiDB.
package tidb

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/go-sql-driver/mysql"

	"helfy/adapters/tlsfiles"
	"helfy/domain"
)

// Config says where TiDB is and how to use it.
type Config struct {
	Host     string
	Port     int
	User     string
	Password domain.Secret
	Database string
	// TLS has the certificates; nil for a connection in plain text. The files
	// are read by Open.
	TLS *tlsfiles.Files
	// MaxConns bounds the open connections; a request beyond waits for one
	// until its context ends.
	MaxConns int
	// Timeout bounds one answer of the server, COMMIT's included, which no
	// context reaches; 0 means 5 s.
	Timeout time.Duration
	// LockWait bounds the wait for a lock, in whole seconds; 0 means 3 s. It
	// must be less than Timeout, so that the server says what it waits for.
	LockWait time.Duration
	// IdleTx is how long TiDB keeps a transaction that is idle, in whole
	// seconds; 0 means 15 s.
	IdleTx time.Duration
	// Bulk is for those who write many rows in a statement: TiDB looks for no
	// plan bindings, for which it would read each statement's text once more.
	Bulk bool
}

const (
	dialTimeout = 3 * time.Second
	// ioTimeout bounds one answer of the server if the Config does not say
	// otherwise. It leaves time to ask again before a request's own time is
	// over.
	ioTimeout = 5 * time.Second
	// lockWaitSeconds is less, so that the server says what it waits for.
	lockWaitSeconds = 3
	connMaxLifetime = 5 * time.Minute
	// idleTxSeconds is how long TiDB keeps a transaction, and its locks, of a
	// process that has been stopped, by a virtual machine for instance: others
	// must not wait for it to wake.
	idleTxSeconds = 15
)

const idleTxVariable = "tidb_idle_transaction_timeout"

// Open returns a pool of connections to the configured database. It does not
// connect yet.
func Open(cfg Config) (*sql.DB, error) {
	return open(cfg, cfg.Database, cmp.Or(cfg.Timeout, ioTimeout))
}

func open(cfg Config, database string, timeout time.Duration) (*sql.DB, error) {
	driver := mysql.NewConfig()
	driver.Net = "tcp"
	driver.Addr = net.JoinHostPort(cfg.Host, strconv.Itoa(cfg.Port))
	driver.User = cfg.User
	driver.Passwd = cfg.Password.Reveal()
	driver.DBName = database
	driver.Timeout = dialTimeout
	driver.ReadTimeout = timeout
	driver.WriteTimeout = timeout
	driver.ParseTime = true
	driver.Loc = time.UTC
	driver.InterpolateParams = true // one round trip for each statement
	driver.ClientFoundRows = true
	driver.Logger = &mysql.NopLogger{} // every error it logs is also returned
	driver.Params = map[string]string{
		"time_zone":                "'+00:00'",
		"tidb_txn_mode":            "'pessimistic'",
		"transaction_isolation":    "'REPEATABLE-READ'",
		"innodb_lock_wait_timeout": seconds(cmp.Or(cfg.LockWait, lockWaitSeconds*time.Second)),
		idleTxVariable:             seconds(cmp.Or(cfg.IdleTx, idleTxSeconds*time.Second)),
		"sql_mode":                 "'STRICT_TRANS_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE,ERROR_FOR_DIVISION_BY_ZERO'",
	}
	if cfg.Bulk {
		driver.Params["tidb_use_plan_baselines"] = "'OFF'"
	}
	if cfg.TLS != nil {
		var err error
		if driver.TLS, err = cfg.TLS.Config(cfg.Host); err != nil {
			return nil, fmt.Errorf("connect to TiDB by TLS: %w", err)
		}
	}
	connector, err := mysql.NewConnector(driver)
	if err != nil {
		return nil, fmt.Errorf("configure TiDB at %s: %w", driver.Addr, err)
	}
	db := sql.OpenDB(explained{connector, cfg.User})
	db.SetMaxOpenConns(cfg.MaxConns)
	db.SetMaxIdleConns(cfg.MaxConns)
	db.SetConnMaxLifetime(connMaxLifetime)
	return db, nil
}

// seconds is a duration as a variable of TiDB has it.
func seconds(d time.Duration) string { return strconv.Itoa(int(d / time.Second)) }

// Ping reports whether the database answers a query.
func Ping(ctx context.Context, db *sql.DB) error {
	var one int
	if err := db.QueryRowContext(ctx, "SELECT 1").Scan(&one); err != nil {
		return fmt.Errorf("query TiDB: %w", err)
	}
	return nil
}

// Ready reports whether the database answers and its schema is there; ErrDue
// says that it is not.
func Ready(ctx context.Context, db *sql.DB) error {
	var some bool
	if err := db.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM users)").Scan(&some); err != nil {
		if isMissing(err) {
			err = fmt.Errorf("%w (%w)", ErrDue, err)
		}
		return fmt.Errorf("look into TiDB's tables: %w", err)
	}
	return nil
}
