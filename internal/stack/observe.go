package stack

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"strings"
)

// WaitsForLock returns nil while a transaction in the database of db waits for
// a lock of another.
func WaitsForLock(ctx context.Context, db *sql.DB) error {
	var waiting int
	err := db.QueryRowContext(ctx,
		"SELECT COUNT(*) FROM information_schema.tidb_trx WHERE state = 'LockWaiting' AND db = DATABASE()").Scan(&waiting)
	if err == nil && waiting == 0 {
		err = errors.New("no transaction waits for a lock")
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
