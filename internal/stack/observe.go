package stack

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"strings"
)

// WaitsForLock returns nil while a statement on a table, in the database of db,
// waits for a lock. TiDB says so of every statement that takes a lock, for the
// moment that this takes; the caller holds all that it could ask for.
func WaitsForLock(ctx context.Context, db *sql.DB, table string) error {
	var waiting int
	err := db.QueryRowContext(ctx, `
		SELECT COUNT(*) FROM information_schema.tidb_trx t JOIN information_schema.processlist p ON p.id = t.session_id
		WHERE t.state = 'LockWaiting' AND t.db = DATABASE() AND p.info LIKE ?`, "%"+table+"%").Scan(&waiting)
	if err == nil && waiting == 0 {
		err = fmt.Errorf("no statement on %s waits for a lock", table)
	}
	return err
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
