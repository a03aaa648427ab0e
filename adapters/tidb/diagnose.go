package tidb

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

// Facts are what a server and a session with it are like.
type Facts struct {
	Version string
	// Account is who the session is.
	Account string
	// Cipher is that of TLS, empty without it.
	Cipher string
	// TSO is one that was made just now.
	TSO uint64
	// GCLife is how long old versions of rows are kept, also for a changefeed
	// that is being made.
	GCLife time.Duration
	// TTLJobs says whether rows are removed by their age.
	TTLJobs bool
}

// Diagnose asks the server what it is like.
func Diagnose(ctx context.Context, cfg Config) (facts Facts, err error) {
	err = using(ctx, cfg, "", func(ctx context.Context, db *sql.DB) error {
		tx, err := db.BeginTx(ctx, &sql.TxOptions{ReadOnly: false})
		if err != nil {
			return fmt.Errorf("begin: %w", err)
		}
		defer func() { _ = tx.Rollback() }() // it has read only
		var name, life string
		err = tx.QueryRowContext(ctx, `
			SELECT VERSION(), CURRENT_USER(), @@tidb_current_ts, @@global.tidb_gc_life_time, @@global.tidb_ttl_job_enable`).
			Scan(&facts.Version, &facts.Account, &facts.TSO, &life, &facts.TTLJobs)
		if err != nil {
			return fmt.Errorf("read what TiDB is like: %w", err)
		}
		if facts.GCLife, err = time.ParseDuration(life); err != nil {
			return fmt.Errorf("read tidb_gc_life_time: %w", err)
		}
		if err := tx.QueryRowContext(ctx, "SHOW STATUS LIKE 'Ssl_cipher'").Scan(&name, &facts.Cipher); err != nil {
			return fmt.Errorf("read how the connection is protected: %w", err)
		}
		return nil
	})
	return facts, err
}
