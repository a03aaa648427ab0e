// Package tidb runs a real TiDB server in this process, on a storage engine
// that keeps its data in a folder, together with the change feed that relays
// its committed changes to Kafka and with TiCDC's HTTP API for that feed.
package tidb

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

	"helfy/devstack/feed"
	"helfy/devstack/feed/api"
	"helfy/devstack/feed/capture"
	"helfy/devstack/feed/change"
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
	// GCTTL is TiCDC's gc-ttl: how long a changefeed that does not run keeps the
	// changes behind its checkpoint. 0 means TiCDC's default.
	GCTTL time.Duration
}

// closeTimeout bounds how long the changefeeds may go on sending at the end.
const closeTimeout = 5 * time.Second

// Run serves until ctx ends, then drains and closes the data. Both ports
// accept connections only once the server can do its work. TiDB keeps global
// state: a process can call Run once.
func Run(ctx context.Context, cfg Config) error {
	if err := os.MkdirAll(cfg.DataDir, 0o755); err != nil {
		return fmt.Errorf("create data folder: %w", err)
	}
	if err := checkFormat(cfg.DataDir); err != nil {
		return err
	}
	if err := configure(cfg); err != nil {
		return err
	}
	c := &capture.Capture{}
	db, err := openDatabase(cfg.DataDir, c.Wrap)
	if err != nil {
		return err
	}
	// TiDB's storage has locked the folder by now.
	changes, err := change.Open(filepath.Join(cfg.DataDir, "feed"))
	if err != nil {
		return errors.Join(err, db.close())
	}
	err = serve(ctx, cfg, db, changes, c)
	return errors.Join(err, db.close(), changes.Close())
}

func serve(ctx context.Context, cfg Config, db *database, changes *change.Store, c *capture.Capture) error {
	gcTTL := cmp.Or(cfg.GCTTL, feed.DefaultGCTTL)
	feeds, err := feed.Open(filepath.Join(cfg.DataDir, "changefeeds"), changes, db, gcTTL)
	if err != nil {
		return err
	}
	if err := recoverChanges(ctx, db, changes, feeds); err != nil {
		return err
	}
	if err := db.bootstrap(func() { c.Begin(changes, db.schema) }); err != nil {
		return err
	}

	listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(cfg.TiCDCPort)))
	if err != nil {
		return fmt.Errorf("listen for TiCDC's API: %w", err)
	}
	g, ctx := errgroup.WithContext(ctx)
	pumpCtx, stopPump := context.WithCancel(context.WithoutCancel(ctx))
	pump := &pump{db: db, changes: changes, feeds: feeds, collectEvery: min(collectInterval, gcTTL/2)}
	g.Go(func() error { return pump.run(pumpCtx) })
	feeds.Start()
	server := &http.Server{Handler: api.Handler(feeds), ReadHeaderTimeout: 10 * time.Second}
	g.Go(func() error { return serveHTTP(server, listener) })
	g.Go(func() error { return db.serve(cfg) })
	g.Go(func() error {
		<-ctx.Done()
		closeCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
		defer cancel()
		defer stopPump()
		// The API goes first: nobody may start a changefeed any more.
		err := server.Shutdown(closeCtx)
		db.stop()
		return errors.Join(err, pump.advance(closeCtx), feeds.Close(closeCtx))
	})
	return g.Wait()
}

func serveHTTP(server *http.Server, listener net.Listener) error {
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve TiCDC's API: %w", err)
	}
	return nil
}
