package supervise

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"time"
)

// RoleVerb is the first argument of a process in an internal role. The role's
// name and arguments follow.
const RoleVerb = "role"

// What a process in a role inherits beyond the standard streams.
const (
	lifelineFD = 3 // a pipe's read end; it ends when the process is to end
	lockFD     = 4 // the data folder's lock, held until the last holder ends
)

// The roles that this package needs for itself.
const (
	guardRole   = "guard"
	commandRole = "command"
)

// Role runs the process in one of this package's own roles, and returns its
// exit code.
func Role(name string, args []string) int {
	var err error
	switch {
	case name == guardRole && len(args) >= 2:
		err = runGuard(args[0], args[1], args[2:])
	case name == commandRole && len(args) >= 2:
		err = becomeCommand(args[0], args[1:])
	default:
		err = fmt.Errorf("no such role with %d arguments", len(args))
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "devstack: role %s: %v\n", name, err)
		return ExitFailure
	}
	return 0
}

// ServePart runs the process as a part, and returns its exit code. The context
// of run ends when the part is to stop: at SIGTERM, or when the supervisor
// says so or is gone. A run that does not return within limit is cut off.
func ServePart(limit time.Duration, run func(ctx context.Context) error) int {
	signal.Ignore(syscall.SIGINT, syscall.SIGHUP)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	go func() {
		defer stop()
		// An error ends the lifeline as its end does.
		_, _ = io.Copy(io.Discard, os.NewFile(lifelineFD, "lifeline"))
	}()
	context.AfterFunc(ctx, func() {
		time.AfterFunc(limit, func() {
			fmt.Fprintf(os.Stderr, "not stopped within %v: giving up\n", limit)
			os.Exit(1)
		})
	})
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		return 1
	}
	return 0
}

// role is a child process in a role, in a process group of its own.
type role struct {
	cmd      *exec.Cmd
	lifeline *os.File
	// done is closed once the process has ended and is reaped.
	done chan struct{}
}

// startRole starts executable in a role. The caller has set up cmd's streams.
func startRole(cmd *exec.Cmd, inherit ...*os.File) (*role, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("make a pipe: %w", err)
	}
	defer r.Close()
	cmd.ExtraFiles = append([]*os.File{r}, inherit...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		w.Close()
		return nil, err
	}
	p := &role{cmd: cmd, lifeline: w, done: make(chan struct{})}
	go func() {
		defer close(p.done)
		// How it ended is read from cmd.ProcessState.
		_ = cmd.Wait()
	}()
	return p, nil
}

func (p *role) running() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

func (p *role) wait(limit time.Duration) bool {
	select {
	case <-p.done:
		return true
	case <-time.After(limit):
		return false
	}
}
