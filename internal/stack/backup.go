package stack

import (
	"database/sql"
	"testing"

	"helfy/service"
)

// Backup remembers the whole database. restore puts it back, as a restore from
// a backup does: nothing of that comes by the changefeed, which must have been
// removed, and nothing of the service may run meanwhile.
func Backup(t testing.TB, config service.Config) (restore func()) {
	t.Helper()
	var tables []table
	err := withDB(config, config.TiDBDatabase, func(db *sql.DB) (err error) {
		tables, err = readTables(t.Context(), db)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return func() {
		t.Helper()
		dropDatabase(t, config)
		err := withDB(config, "", func(db *sql.DB) error {
			_, err := db.ExecContext(t.Context(), "CREATE DATABASE "+config.TiDBDatabase)
			return err
		})
		if err == nil {
			err = withDB(config, config.TiDBDatabase, func(db *sql.DB) error { return makeTables(t.Context(), db, tables) })
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}
