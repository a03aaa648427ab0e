package stack

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"

	"helfy/adapters/tidb"
	"helfy/service"
)

// WaitForLock returns nil while so many statements on a table, in the database
// of db, wait for a lock. TiDB says so of every statement that takes a lock, for
// the moment that this takes; the caller holds all that they could ask for.
// After three seconds the service waits no longer.
func WaitForLock(ctx context.Context, db *sql.DB, table string, statements int) error {
	var waiting int
	err := db.QueryRowContext(ctx, `
		SELECT COUNT(*) FROM information_schema.tidb_trx t JOIN information_schema.processlist p ON p.id = t.session_id
		WHERE t.state = 'LockWaiting' AND t.db = DATABASE() AND p.info LIKE ?`, "%"+table+"%").Scan(&waiting)
	if err == nil && waiting < statements {
		err = fmt.Errorf("%d statements on %s wait for a lock, want %d", waiting, table, statements)
	}
	return err
}

// AwaitWorker waits until a consumer is at the tasks that processes which serve
// HTTP have: these give up one that nobody takes up.
func AwaitWorker(t testing.TB, config service.Config) {
	t.Helper()
	Eventually(t, setupTimeout, func() error {
		holder, err := tidb.HeldBy(t.Context(), DB(t, config), config.TiDBDatabase+".tasks")
		if err == nil && holder == "" {
			err = errors.New("no consumer is at the tasks")
		}
		return err
	})
}

// RefusesConnections returns nil once the client's service no longer listens.
func RefusesConnections(ctx context.Context, client *Client) error {
	address := strings.TrimPrefix(client.Base, "http://")
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil //nolint:nilerr // refused, as it should be
	}
	return errors.Join(fmt.Errorf("%s still listens", address), conn.Close())
}
