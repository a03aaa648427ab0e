package stack

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"testing"

	"helfy/adapters/tidb"
	"helfy/service"
)

// migrated is what the migrations make of an empty database, once they have
// run in this process.
var migrated struct {
	sync.Mutex
	tables []table
}

// table is a table of a database with its rows.
type table struct {
	name, create string
	columns      string // of the rows: those that are not generated
	rows         [][]any
}

// makeDatabase makes a configuration's database. Only the first one is made by
// the migrations, whose many steps take seconds; the others get the tables and
// rows that came out of them.
func makeDatabase(ctx context.Context, config service.Config) error {
	if err := makeSchema(ctx, config); err != nil {
		return err
	}
	return grantDatabase(ctx, config)
}

func makeSchema(ctx context.Context, config service.Config) error {
	tables, err := migrateFirst(ctx, config)
	if err != nil || tables == nil {
		return err
	}
	err = withDB(config, "", func(db *sql.DB) error {
		_, err := db.ExecContext(ctx, "CREATE DATABASE "+config.TiDBDatabase)
		return err
	})
	if err != nil {
		return fmt.Errorf("create database %s: %w", config.TiDBDatabase, err)
	}
	return withDB(config, config.TiDBDatabase, func(db *sql.DB) error { return makeTables(ctx, db, tables) })
}

// migrateFirst migrates a database if it is the first one. Otherwise it
// returns what the first one has.
func migrateFirst(ctx context.Context, config service.Config) ([]table, error) {
	migrated.Lock()
	defer migrated.Unlock()
	if migrated.tables != nil {
		return migrated.tables, nil
	}
	if _, err := config.Migrate(ctx); err != nil {
		return nil, err
	}
	return nil, withDB(config, config.TiDBDatabase, func(db *sql.DB) (err error) {
		migrated.tables, err = readTables(ctx, db)
		return err
	})
}

func dropDatabase(t testing.TB, config service.Config) {
	ctx, cancel := context.WithTimeout(context.Background(), setupTimeout)
	defer cancel()
	err := withDB(config, "", func(db *sql.DB) error {
		_, err := db.ExecContext(ctx, "DROP DATABASE "+config.TiDBDatabase)
		return err
	})
	if err != nil {
		t.Errorf("drop database %s: %v", config.TiDBDatabase, err)
	}
}

// withDB does something on connections to a server, and with a database unless
// it is empty.
func withDB(config service.Config, database string, do func(*sql.DB) error) (err error) {
	settings := poolOf(config)
	settings.Database, settings.Timeout = database, setupTimeout
	db, err := tidb.Open(settings)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return do(db)
}

// counter is where a table has got to with numbering its rows.
var counter = regexp.MustCompile(` AUTO_INCREMENT=\d+`)

func readTables(ctx context.Context, db *sql.DB) (tables []table, err error) {
	names, err := readRows(ctx, db, "SHOW TABLES")
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		read := table{name: fmt.Sprintf("`%s`", name...)}
		err := db.QueryRowContext(ctx, `
			SELECT GROUP_CONCAT(column_name) FROM information_schema.columns
			WHERE table_schema = DATABASE() AND table_name = ? AND generation_expression = ''`, name...).Scan(&read.columns)
		if err != nil {
			return nil, fmt.Errorf("read columns of %s: %w", read.name, err)
		}
		if err := db.QueryRowContext(ctx, "SHOW CREATE TABLE "+read.name).Scan(new(string), &read.create); err != nil {
			return nil, fmt.Errorf("read table %s: %w", read.name, err)
		}
		read.create = counter.ReplaceAllString(read.create, "")
		if read.rows, err = readRows(ctx, db, "SELECT "+read.columns+" FROM "+read.name); err != nil {
			return nil, fmt.Errorf("read rows of %s: %w", read.name, err)
		}
		tables = append(tables, read)
	}
	return tables, nil
}

func readRows(ctx context.Context, db *sql.DB, query string) (all [][]any, err error) {
	rows, err := db.QueryContext(ctx, query)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	for rows.Next() {
		row, into := make([]any, len(columns)), make([]any, len(columns))
		for i := range row {
			into[i] = &row[i]
		}
		if err := rows.Scan(into...); err != nil {
			return nil, err
		}
		all = append(all, row)
	}
	return all, rows.Err()
}

// makeTables makes all tables at once: each waits for TiDB more than it works.
func makeTables(ctx context.Context, db *sql.DB, tables []table) error {
	faults := make([]error, len(tables))
	var wait sync.WaitGroup
	for i, made := range tables {
		wait.Go(func() { faults[i] = made.make(ctx, db) })
	}
	wait.Wait()
	return errors.Join(faults...)
}

func (t table) make(ctx context.Context, db *sql.DB) error {
	if _, err := db.ExecContext(ctx, t.create); err != nil {
		return fmt.Errorf("create table %s: %w", t.name, err)
	}
	for _, row := range t.rows {
		insert := fmt.Sprintf("INSERT INTO %s (%s) VALUES (?%s)", t.name, t.columns, strings.Repeat(", ?", len(row)-1))
		if _, err := db.ExecContext(ctx, insert, row...); err != nil {
			return fmt.Errorf("insert into %s: %w", t.name, err)
		}
	}
	return nil
}
