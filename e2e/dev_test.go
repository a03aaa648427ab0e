package e2e

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"helfy/internal/stack"
)

// What go tool task dev runs once everything is built.
func TestDevelopmentStartsFromNothingAndGoesOnWhereItStopped(t *testing.T) {
	dir := t.TempDir()
	port := strconv.Itoa(stack.FreePort(t))
	api := stack.NewClient("http://127.0.0.1:" + port)
	environ := append(os.Environ(), "PORT="+port, "HELFY_KEY_FILE="+filepath.Join(dir, "helfy.key"))
	for _, part := range []string{"TIDB", "KAFKA", "TICDC"} {
		environ = append(environ, fmt.Sprintf("DEVSTACK_%s_PORT=%d", part, stack.FreePort(t)))
	}
	for start := range 2 {
		command := exec.CommandContext(context.Background(), "bin/devstack", "--data", dir, "--", "sh", "scripts/dev.sh")
		command.Dir, command.Env = "..", environ
		var said bytes.Buffer
		command.Stdout, command.Stderr = &said, &said
		if err := command.Start(); err != nil {
			t.Fatal(err)
		}
		ended, gone := make(chan error, 1), make(chan struct{})
		go func() { ended <- command.Wait(); close(gone) }()
		t.Cleanup(func() { // it takes what it has started with it
			// An error means that it is gone already.
			_ = command.Process.Signal(syscall.SIGTERM)
			<-gone
		})
		var token string
		stack.Eventually(t, patience, func() (err error) {
			select {
			case err := <-ended:
				t.Fatalf("start %d ended: %v: %s", start, err, said.String())
			default:
			}
			token, err = api.Login(t.Context(), "admin", "admin")
			return err
		})
		stack.Eventually(t, patience, func() error {
			entries, err := api.WholeAudit(t.Context(), token)
			if want := 2 + 2*(start+1); err == nil && len(entries) != want {
				err = fmt.Errorf("start %d: %d entries, want %d", start, len(entries), want)
			}
			return err
		})
		if err := command.Process.Signal(syscall.SIGINT); err != nil {
			t.Fatal(err)
		}
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("start %d, after SIGINT: %v: %s", start, err, said.String())
			}
		case <-time.After(patience):
			t.Fatalf("start %d goes on after SIGINT: %s", start, said.String())
		}
	}
}
