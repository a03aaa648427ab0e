package kafka

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"time"
)

// RunCommand runs another broker than this package's until ctx ends. Command
// is words of a shell's that get the port and the data folder as their last
// arguments and become the broker. At the end it is told to stop by SIGTERM,
// and killed when it has not stopped within the limit, which is an error as
// an end by itself is.
func RunCommand(ctx context.Context, cfg Config, command string, limit time.Duration) error {
	cmd := exec.CommandContext(ctx, "sh", "-c", "exec "+command+` "$@"`, "sh", strconv.Itoa(cfg.Port), cfg.DataDir)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = limit
	if err := os.MkdirAll(cfg.DataDir, 0o700); err != nil {
		return fmt.Errorf("make the broker's data folder: %w", err)
	}
	err := cmd.Run()
	if ctx.Err() != nil && ended(cmd.ProcessState) {
		return nil
	}
	if err == nil {
		err = errors.New("exit status 0")
	}
	return fmt.Errorf("the broker (%s) ended: %w", command, err)
}

// ended tells whether a process has ended as SIGTERM asks for: a JVM says that
// by its exit code.
func ended(state *os.ProcessState) bool {
	if state == nil {
		return false
	}
	status, ok := state.Sys().(syscall.WaitStatus)
	return ok && (status.ExitStatus() == 0 || status.ExitStatus() == 128+int(syscall.SIGTERM) || status.Signal() == syscall.SIGTERM)
}
