package stack

import (
	"database/sql"
	"sync"
	"testing"
	"time"

	"helfy/adapters/tidb"
	"helfy/service"
)

// pools are those of DB.
var pools struct {
	sync.Mutex
	of map[poolKey]*sql.DB
}

// poolKey is a test, and where it connects to as whom.
type poolKey struct {
	t                    testing.TB
	host, user, database string
	port                 int
}

// DB returns connections to the configuration's database, for the questions of
// the test itself; for each call of a test it is the same pool. They are
// patient: a statement may take or wait for a lock for a minute, and TiDB keeps
// what a transaction locks for as long as it likes.
func DB(t testing.TB, config service.Config) *sql.DB {
	t.Helper()
	key := poolKey{t, config.TiDBHost, config.TiDBUser, config.TiDBDatabase, config.TiDBPort}
	pools.Lock()
	defer pools.Unlock()
	if db := pools.of[key]; db != nil {
		return db
	}
	settings := poolOf(config)
	settings.Timeout, settings.LockWait, settings.IdleTx = 70*time.Second, time.Minute, time.Hour
	db := openPool(t, settings)
	if pools.of == nil {
		pools.of = map[poolKey]*sql.DB{}
	}
	pools.of[key] = db
	t.Cleanup(func() {
		pools.Lock()
		defer pools.Unlock()
		delete(pools.of, key)
	})
	return db
}

// ServiceDB returns connections as an instance of the service has them, with
// its bounds of time, and with changes.
func ServiceDB(t testing.TB, config service.Config, changes ...func(*tidb.Config)) *sql.DB {
	t.Helper()
	settings := poolOf(config)
	for _, change := range changes {
		change(&settings)
	}
	return openPool(t, settings)
}

func poolOf(config service.Config) tidb.Config {
	return tidb.Config{
		Host: config.TiDBHost, Port: config.TiDBPort, User: config.TiDBUser, Password: config.TiDBPassword,
		Database: config.TiDBDatabase, MaxConns: 16,
	}
}

// openPool returns a pool that is closed when the test ends.
func openPool(t testing.TB, settings tidb.Config) *sql.DB {
	t.Helper()
	db, err := tidb.Open(settings)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}
