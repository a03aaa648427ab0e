package tidb

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/pressly/goose/v3"
)

// migrationTimeout bounds one statement; adding an index to a large table
// takes its time.
const migrationTimeout = time.Hour

// migrationLockSeconds is how long Migrate waits for another one to finish.
const migrationLockSeconds = 60

// Migration is one step of the schema.
type Migration struct {
	File string
	// AppliedAt is zero for one that is due.
	AppliedAt time.Time
}

// Migrate creates the configured database if it is missing and brings its
// schema up to date. It returns the files that it ran. Several processes may
// call it at once: one works, the others wait. If the database is fed, each
// migration is announced; announcer is called only then, and its error comes
// before anything runs.
func Migrate(ctx context.Context, cfg Config, files fs.FS, announcer func() (Announcer, error)) (applied []string, err error) {
	server, err := open(cfg, "", migrationTimeout)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, server.Close()) }()
	if err := createDatabase(ctx, server, cfg.Database); err != nil {
		return nil, err
	}
	err = withMigrations(ctx, cfg, files, announcer, func(m migrator) error {
		for {
			result, err := m.up(ctx)
			if result != nil {
				applied = append(applied, result.Source.Path)
			}
			if err != nil || result == nil {
				return err
			}
		}
	})
	return applied, err
}

// createDatabase creates a database if it is missing.
func createDatabase(ctx context.Context, server *sql.DB, name string) error {
	// The name cannot be a parameter of CREATE DATABASE.
	if _, err := server.ExecContext(ctx, "CREATE DATABASE IF NOT EXISTS "+quote(name)); err != nil {
		return fmt.Errorf("create database %s: %w", name, err)
	}
	return nil
}

// MigrateDown takes the newest migration back and returns its file, empty if
// there is none left. It is announced as in Migrate.
func MigrateDown(ctx context.Context, cfg Config, files fs.FS, announcer func() (Announcer, error)) (file string, err error) {
	err = withMigrations(ctx, cfg, files, announcer, func(m migrator) error {
		result, err := m.down(ctx)
		if result != nil {
			file = result.Source.Path
		}
		return err
	})
	return file, err
}

// Migrations returns every migration, in order.
func Migrations(ctx context.Context, cfg Config, files fs.FS) (migrations []Migration, err error) {
	err = withMigrations(ctx, cfg, files, nil, func(m migrator) error {
		states, err := m.provider.Status(ctx)
		for _, state := range states {
			migrations = append(migrations, Migration{File: state.Source.Path, AppliedAt: state.AppliedAt})
		}
		return err
	})
	return migrations, err
}

// withMigrations runs work on the database's migrations while no other
// process does.
func withMigrations(
	ctx context.Context, cfg Config, files fs.FS, announcer func() (Announcer, error), work func(migrator) error,
) (err error) {
	db, err := open(cfg, cfg.Database, migrationTimeout)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	unlock, err := lockMigrations(ctx, db, cfg.Database)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	provider, err := goose.NewProvider(goose.DialectTiDB, db, files)
	if err != nil {
		return fmt.Errorf("read migrations: %w", err)
	}
	if err := work(migrator{db: db, provider: provider, files: files, newAnnouncer: announcer}); err != nil {
		return fmt.Errorf("migrate %s: %w", cfg.Database, err)
	}
	return nil
}

// lockMigrations takes a lock that ends with its connection, so that a killed
// process leaves none behind.
func lockMigrations(ctx context.Context, server *sql.DB, database string) (unlock func() error, err error) {
	conn, err := server.Conn(ctx)
	if err != nil {
		return nil, fmt.Errorf("connect for the migration lock: %w", err)
	}
	// A lock's name has at most 64 characters, and so has a database's.
	lock := fmt.Sprintf("helfy %x", sha256.Sum224([]byte(database)))
	got, err := getLock(ctx, conn, lock, migrationLockSeconds)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("take migration lock: %w", err), conn.Close())
	}
	if !got {
		return nil, errors.Join(fmt.Errorf("another migration of %s has run for %d s", database, migrationLockSeconds), conn.Close())
	}
	return conn.Close, nil
}
