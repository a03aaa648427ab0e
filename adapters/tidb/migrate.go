package tidb

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/pressly/goose/v3"
)

// migrationTimeout bounds one statement; adding an index to a large table
// takes its time.
const migrationTimeout = time.Hour

// migrationLockSeconds is how long Migrate waits for another one to finish.
const migrationLockSeconds = 60

// Migrate creates the configured database if it is missing and brings its
// schema up to date. It returns the files that it ran. Several processes may
// call it at once: one works, the others wait.
func Migrate(ctx context.Context, cfg Config, files fs.FS) (applied []string, err error) {
	server, err := open(cfg, "", migrationTimeout)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, server.Close()) }()
	// The name cannot be a parameter of CREATE DATABASE.
	name := "`" + strings.ReplaceAll(cfg.Database, "`", "``") + "`"
	if _, err := server.ExecContext(ctx, "CREATE DATABASE IF NOT EXISTS "+name); err != nil {
		return nil, fmt.Errorf("create database %s: %w", cfg.Database, err)
	}
	unlock, err := lockMigrations(ctx, server, cfg.Database)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	return migrateUp(ctx, cfg, files)
}

func migrateUp(ctx context.Context, cfg Config, files fs.FS) (applied []string, err error) {
	db, err := open(cfg, cfg.Database, migrationTimeout)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	provider, err := goose.NewProvider(goose.DialectTiDB, db, files)
	if err != nil {
		return nil, fmt.Errorf("read migrations: %w", err)
	}
	results, err := provider.Up(ctx)
	for _, result := range results {
		applied = append(applied, result.Source.Path)
	}
	if err != nil {
		return applied, fmt.Errorf("migrate %s: %w", cfg.Database, err)
	}
	return applied, nil
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
	var got sql.NullInt64
	if err := conn.QueryRowContext(ctx, "SELECT GET_LOCK(?, ?)", lock, migrationLockSeconds).Scan(&got); err != nil {
		return nil, errors.Join(fmt.Errorf("take migration lock: %w", err), conn.Close())
	}
	if got.Int64 != 1 {
		return nil, errors.Join(fmt.Errorf("another migration of %s has run for %d s", database, migrationLockSeconds), conn.Close())
	}
	return conn.Close, nil
}
