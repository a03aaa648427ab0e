package tidb

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/pingcap/tidb/pkg/config"
	"github.com/pingcap/tidb/pkg/domain"
	"github.com/pingcap/tidb/pkg/kv"
	"github.com/pingcap/tidb/pkg/meta"
	"github.com/pingcap/tidb/pkg/server"
	"github.com/pingcap/tidb/pkg/session"
	"github.com/pingcap/tidb/pkg/util/logutil"
	"github.com/tikv/client-go/v2/tikv"

	"helfy/devstack/feed"
	"helfy/devstack/feed/capture"
	"helfy/devstack/feed/mount"
	"helfy/devstack/feed/row"
	"helfy/devstack/storage"
)

// The variables that name the files of the server's certificate and its key.
const (
	sslCert = "DEVSTACK_TIDB_SSL_CERT"
	sslKey  = "DEVSTACK_TIDB_SSL_KEY"
)

// configure sets TiDB's global configuration. It must precede everything else
// of TiDB, which logs to a file from then on.
func configure(cfg Config) error {
	file := logutil.FileLogConfig{}
	file.Filename = filepath.Join(cfg.DataDir, "tidb.log")
	file.MaxSize, file.MaxBackups = 50, 2 // megabytes, files
	if err := logutil.InitLogger(logutil.NewLogConfig("warn", "text", "", "", file, false)); err != nil {
		return fmt.Errorf("open TiDB's log: %w", err)
	}
	config.UpdateGlobal(func(c *config.Config) {
		c.Host, c.Port, c.Socket = "127.0.0.1", uint(cfg.TiDBPort), ""
		c.AdvertiseAddress = "127.0.0.1"
		c.Status.ReportStatus = false
		c.Path = filepath.Join(cfg.DataDir, "tidb")
		c.TempDir = filepath.Join(cfg.DataDir, "tmp")
		c.TempStoragePath = filepath.Join(cfg.DataDir, "tmp", "storage")
		c.Log.SlowQueryFile = filepath.Join(cfg.DataDir, "tidb-slow.log")
		// TLS for those who ask for it; others are served in plain text still.
		c.Security.SSLCert, c.Security.SSLKey = os.Getenv(sslCert), os.Getenv(sslKey)
		// One region: a commit is not split by region.
		c.SplitTable = false
	})
	return nil
}

// database is TiDB, its storage, and the definitions of its tables.
type database struct {
	store   kv.Storage
	schemas *mount.Schemas
	domain  *domain.Domain
	server  *server.Server
}

func openDatabase(dir string, wrap func(tikv.Client) tikv.Client) (*database, error) {
	schemas, err := mount.OpenSchemas(filepath.Join(dir, "feed", "schemas"))
	if err != nil {
		return nil, err
	}
	store, err := storage.Open(filepath.Join(dir, "tidb"), wrap)
	if err != nil {
		return nil, err
	}
	return &database{store: store, schemas: schemas}, nil
}

// bootstrap starts TiDB's background work; the store must be recovered. As soon
// as that has started it may finish a DDL job of the previous run, so that
// capture must have begun; but in a new store TiDB has to make its own tables
// first, which no changefeed sends.
func (db *database) bootstrap(beginCapture func()) error {
	version, err := meta.NewReader(db.store.GetSnapshot(kv.MaxVersion)).GetBootstrapVersion()
	if err != nil {
		return fmt.Errorf("read the version of TiDB's tables: %w", err)
	}
	ready := version == session.CurrentBootstrapVersion
	if ready {
		if db.domain, err = session.GetDomain(db.store); err != nil {
			return fmt.Errorf("load TiDB's schema: %w", err)
		}
		beginCapture()
	}
	dom, err := session.BootstrapSession(db.store)
	if err != nil {
		return fmt.Errorf("bootstrap TiDB: %w", err)
	}
	if !ready {
		db.domain = dom
		beginCapture()
	}
	if err := db.commitWhole(); err != nil {
		return err
	}
	cfg := config.GetGlobalConfig()
	if db.server, err = server.NewServer(cfg, server.NewTiDBDriver(db.store)); err != nil {
		return fmt.Errorf("create TiDB's server: %w", err)
	}
	db.server.SetDomain(dom)
	dom.InfoSyncer().SetSessionManager(db.server)
	return nil
}

// wholeCommit is the greatest size in bytes of the keys that one request
// commits, the most that TiDB takes.
const wholeCommit = 1 << 30

// commitWhole makes every transaction commit in one request. TiDB answers when
// the first request is done, and of those that follow a crash would lose the
// rows, whose locks the storage has in memory only.
func (db *database) commitWhole() error {
	se, err := session.CreateSession(db.store)
	if err != nil {
		return fmt.Errorf("open a session: %w", err)
	}
	defer se.Close()
	ctx := kv.WithInternalSourceType(context.Background(), kv.InternalTxnOthers)
	if _, err := se.ExecuteInternal(ctx, "SET GLOBAL tidb_txn_commit_batch_size = %?", wholeCommit); err != nil {
		return fmt.Errorf("set tidb_txn_commit_batch_size: %w", err)
	}
	return nil
}

// serve accepts MySQL connections until stop.
func (db *database) serve(cfg Config) error {
	if err := db.server.Run(db.domain); err != nil {
		return fmt.Errorf("serve MySQL on port %d: %w", cfg.TiDBPort, err)
	}
	return nil
}

// stop ends the connections: idle ones at once, the others after a moment.
func (db *database) stop() {
	db.server.Close()
	db.server.DrainClients(2*time.Second, time.Second)
	db.server.KillSysProcesses()
}

func (db *database) close() error {
	if db.domain != nil {
		db.domain.Close()
	}
	if err := db.store.Close(); err != nil {
		return fmt.Errorf("close TiDB's storage: %w", err)
	}
	return nil
}

func (db *database) storage() capture.Storage { return db.store.(capture.Storage) }

// schema refers to the present definition of a table.
func (db *database) schema(tableID int64) (uint64, error) {
	return db.schemas.Reference(db.domain.InfoSchema(), tableID)
}

// latest reads the newest committed values.
func (db *database) latest(ctx context.Context, keys [][]byte) (map[string][]byte, error) {
	snapshot := db.store.GetSnapshot(kv.MaxVersion)
	list := make([]kv.Key, len(keys))
	for i, key := range keys {
		list[i] = key
	}
	return snapshot.BatchGet(ctx, list)
}

// Now implements feed.Database.
func (db *database) Now(context.Context) (uint64, error) {
	version, err := db.store.CurrentVersion(kv.GlobalTxnScope)
	if err != nil {
		return 0, fmt.Errorf("fetch a TSO: %w", err)
	}
	return version.Ver, nil
}

// Tables implements feed.Database.
func (db *database) Tables(ctx context.Context) ([]*row.Table, error) {
	return mount.Tables(ctx, db.domain.InfoSchema())
}

// Mounter implements feed.Database.
func (db *database) Mounter() feed.Mounter { return mount.New(db.schemas, db.domain.InfoSchema) }
