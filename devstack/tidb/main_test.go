package tidb_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"helfy/devstack/tidb"
)

// One server is shared by the tests, because TiDB can run once in a process.
// Tests that need their own, to kill it, run this binary again.
var (
	api     client
	sqlPort int
)

// The variables tell this binary that it is such a server.
const (
	envDir       = "DEVSTACK_TEST_DIR"
	envTiDBPort  = "DEVSTACK_TEST_TIDB_PORT"
	envTiCDCPort = "DEVSTACK_TEST_TICDC_PORT"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(envDir); dir != "" {
		os.Exit(runServer(dir))
	}
	// Broken connections are what these tests are about.
	_ = mysql.SetLogger(log.New(io.Discard, "", 0))
	os.Exit(runTests(m))
}

func runServer(dir string) int {
	ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer cancel()
	cfg := tidb.Config{DataDir: dir}
	var err error
	if cfg.TiDBPort, err = strconv.Atoi(os.Getenv(envTiDBPort)); err == nil {
		if cfg.TiCDCPort, err = strconv.Atoi(os.Getenv(envTiCDCPort)); err == nil {
			err = tidb.Run(ctx, cfg)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func runTests(m *testing.M) int {
	dir, err := os.MkdirTemp("", "devstack")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	cfg := tidb.Config{DataDir: filepath.Join(dir, "data"), TiDBPort: freePort(), TiCDCPort: freePort()}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- tidb.Run(ctx, cfg) }()
	api, sqlPort = client{url: fmt.Sprintf("http://127.0.0.1:%d", cfg.TiCDCPort)}, cfg.TiDBPort
	code := m.Run()
	cancel()
	select {
	case err = <-done:
	case <-time.After(deadline):
		err = fmt.Errorf("the server did not stop within %s", deadline)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "run TiDB:", err)
		return 1
	}
	return code
}

func freePort() int {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}
