package tidb_test

import (
	"testing"

	"helfy/adapters/tidb"
	"helfy/internal/stack"
)

func TestOnlyBulkWritersLookForNoPlanBindings(t *testing.T) {
	config := stack.New(t)
	for bulk, want := range map[bool]int{false: 1, true: 0} {
		db, err := tidb.Open(tidb.Config{
			Host: config.TiDBHost, Port: config.TiDBPort, User: config.TiDBUser, Password: config.TiDBPassword,
			Database: config.TiDBDatabase, MaxConns: 1, Bulk: bulk,
		})
		if err != nil {
			t.Fatal(err)
		}
		var on int
		if err := db.QueryRowContext(t.Context(), "SELECT @@tidb_use_plan_baselines").Scan(&on); err != nil || on != want {
			t.Errorf("bulk %t: bindings are %d, want %d, %v", bulk, on, want, err)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}
}
