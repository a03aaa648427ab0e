package tidb_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"helfy/devstack/tidb"
)

// One server is shared by the tests, because TiDB can run once in a process.
// Tests that need their own, to kill it, run this binary again.
var (
	api     client
	sqlPort int
)

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "devstack")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	cfg := tidb.Config{DataDir: filepath.Join(dir, "data"), TiDBPort: port(), TiCDCPort: port()}
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

func port() int {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}
