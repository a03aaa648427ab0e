package tidb_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// server is a server in a process of its own.
type server struct {
	dir       string
	sqlPort   int
	ticdcPort int
	process   *exec.Cmd
	api       client
	errors    bytes.Buffer // what it wrote to standard error
}

func newServer(t *testing.T) *server {
	s := &server{dir: t.TempDir(), sqlPort: freePort(), ticdcPort: freePort()}
	s.api = client{url: fmt.Sprintf("http://127.0.0.1:%d", s.ticdcPort)}
	s.start(t)
	t.Cleanup(s.kill)
	return s
}

func (s *server) start(t *testing.T) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	s.process = exec.Command(self)
	s.process.Env = append(os.Environ(), envDir+"="+s.dir,
		envTiDBPort+"="+strconv.Itoa(s.sqlPort), envTiCDCPort+"="+strconv.Itoa(s.ticdcPort))
	s.errors.Reset()
	s.process.Stderr = io.MultiWriter(&s.errors, t.Output())
	if err := s.process.Start(); err != nil {
		t.Fatal(err)
	}
}

// kill ends the process as a crash would.
func (s *server) kill() {
	if s.process == nil {
		return
	}
	// Whatever they say, the process is gone then.
	_ = s.process.Process.Kill()
	_ = s.process.Wait()
	s.process = nil
}

// stop ends the process in order.
func (s *server) stop(t *testing.T) {
	t.Helper()
	if err := s.process.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := s.process.Wait(); err != nil {
		t.Fatalf("the server ended with %v", err)
	}
	s.process = nil
}

// refusal starts the server and returns why it does not run.
func (s *server) refusal(t *testing.T) string {
	t.Helper()
	s.start(t)
	err := s.process.Wait()
	s.process = nil
	if err == nil {
		t.Error("the server ended without an error")
	}
	return s.errors.String()
}

// ahead makes the stopped server believe that its newest change is an hour
// ahead of the clock.
func (s *server) ahead(t *testing.T) {
	t.Helper()
	path := filepath.Join(s.dir, "feed", "state.json")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var state map[string]uint64
	if err := json.Unmarshal(data, &state); err != nil {
		t.Fatal(err)
	}
	state["clock"] += uint64(time.Hour.Milliseconds()) << 18
	if data, err = json.Marshal(state); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
}
