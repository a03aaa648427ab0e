package stack

import (
	"context"
	"database/sql"
	"reflect"
	"testing"

	"helfy/service"
)

func TestADatabaseIsLikeOneThatWasMigrated(t *testing.T) {
	fresh, copied := newConfig(t), newConfig(t)
	for _, config := range []service.Config{newConfig(t), copied} { // the first one may be migrated
		if err := makeDatabase(t.Context(), config); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			dropDatabase(t, config)
			if err := revokeDatabase(context.Background(), config); err != nil {
				t.Error(err)
			}
		})
	}
	if _, err := fresh.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dropDatabase(t, fresh) })
	got, want := tablesOf(t, copied), tablesOf(t, fresh)
	if len(got) != len(want) || len(want) < 10 {
		t.Fatalf("got %d tables, want %d", len(got), len(want))
	}
	for i := range want {
		if !reflect.DeepEqual(got[i], want[i]) {
			t.Errorf("got\n%s\nwant\n%s", got[i], want[i])
		}
	}
	if applied, err := copied.Migrate(t.Context()); err != nil || len(applied) != 0 {
		t.Errorf("migrations %v are due, %v", applied, err)
	}
}

// tablesOf returns a database's tables and rows but for the times of its
// migrations.
func tablesOf(t *testing.T, config service.Config) (tables []table) {
	t.Helper()
	err := withDB(config, config.TiDBDatabase, func(db *sql.DB) error {
		_, err := db.ExecContext(t.Context(), "UPDATE goose_db_version SET tstamp = '2026-01-02'")
		if err == nil {
			tables, err = readTables(t.Context(), db)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return tables
}
