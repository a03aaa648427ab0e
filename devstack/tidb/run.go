// Package tidb runs a real TiDB server in this process, on a storage engine
// that keeps its data in a folder, together with the change feed that relays
// its committed changes to Kafka and with TiCDC's HTTP API for that feed.
package tidb

import (
	"context"
	"errors"
)

// Config says where the server keeps its data and where it listens, always on
// the loopback interface.
type Config struct {
	// DataDir holds TiDB's data and the change feed's state. It is created
	// when missing; no other process may use it at the same time.
	DataDir string
	// TiDBPort serves the MySQL protocol, user root without a password.
	TiDBPort int
	// TiCDCPort serves TiCDC's HTTP API v2.
	TiCDCPort int
}

// Run serves until ctx ends, then drains and closes the data. Both ports
// accept connections only once the server can do its work.
func Run(ctx context.Context, cfg Config) error {
	return errors.New("not built yet")
}
