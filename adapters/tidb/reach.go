package tidb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"
)

// ErrDue says that migrations have not run yet.
var ErrDue = errors.New("migrations are due: run helfy migrate up")

// IsRefused reports whether asking TiDB again is most likely in vain. A
// database that the account may not see may be about to be made.
func IsRefused(err error) bool {
	return errors.Is(err, ErrRefused) && errorCode(err) != codeDatabaseDenied
}

// Reach reports whether the server answers, whether or not the database is
// there.
func Reach(ctx context.Context, cfg Config) error {
	return using(ctx, cfg, "", Ping)
}

// Migrated reports whether the database is there and all migrations of files
// have run; ErrDue says that some have not. A newer schema is none of its
// business.
func Migrated(ctx context.Context, cfg Config, files fs.FS) error {
	return using(ctx, cfg, cfg.Database, func(ctx context.Context, db *sql.DB) error {
		due, err := Due(ctx, db, files)
		if err != nil {
			return err
		}
		if due > 0 {
			return fmt.Errorf("%d %w", due, ErrDue)
		}
		return nil
	})
}

// isMissing reports whether TiDB does not know the database or a table.
func isMissing(err error) bool {
	return errorCode(err) == codeUnknownTable || errorCode(err) == codeUnknownDatabase
}

// Due returns how many migrations of files have not run. It needs no more than
// to read goose's table.
func Due(ctx context.Context, db *sql.DB, files fs.FS) (int, error) {
	rows, err := db.QueryContext(ctx, "SELECT DISTINCT version_id FROM goose_db_version WHERE is_applied")
	if isMissing(err) {
		return 0, fmt.Errorf("%w (%w)", ErrDue, err)
	}
	if err != nil {
		return 0, fmt.Errorf("read which migrations have run: %w", err)
	}
	defer rows.Close()
	ran := map[int64]bool{}
	for rows.Next() {
		var version int64
		if err := rows.Scan(&version); err != nil {
			return 0, fmt.Errorf("read which migrations have run: %w", err)
		}
		ran[version] = true
	}
	if err := rows.Err(); err != nil {
		return 0, fmt.Errorf("read which migrations have run: %w", err)
	}
	names, err := fs.Glob(files, "*.sql")
	if err != nil {
		return 0, fmt.Errorf("list migrations: %w", err)
	}
	due := 0
	for _, name := range names {
		version, err := goose.NumericComponent(name)
		if err != nil {
			return 0, fmt.Errorf("number of migration %s: %w", name, err)
		}
		if !ran[version] {
			due++
		}
	}
	return due, nil
}

// using runs work with a connection of its own.
func using(ctx context.Context, cfg Config, database string, work func(context.Context, *sql.DB) error) (err error) {
	cfg.MaxConns = 1
	db, err := open(cfg, database, ioTimeout)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return work(ctx, db)
}
