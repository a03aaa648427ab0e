package supervise

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"time"
)

// command is the user's command, in a process group of its own.
//
// Its process starts in a role that waits for a byte on the lifeline before it
// becomes the command. So the guard knows the group, and the terminal is
// handed over, before the command's first instruction.
type command struct {
	*role
	pgid int
}

// lookCommand finds the command's executable. With an error comes the exit
// code that says the same.
func lookCommand(name string) (path string, code int, err error) {
	path, err = exec.LookPath(name)
	switch {
	case err == nil:
		return path, 0, nil
	case errors.Is(err, exec.ErrNotFound), errors.Is(err, fs.ErrNotExist):
		code = ExitNotFound
	default:
		code = ExitNotExecutable
	}
	return "", code, fmt.Errorf("run the command: %w", err)
}

func prepareCommand(cfg Config, path string) (*command, error) {
	args := append([]string{RoleVerb, commandRole, path}, cfg.Command...)
	cmd := exec.Command(cfg.Executable, args...)
	cmd.Env = append(os.Environ(), cfg.Env...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	r, err := startRole(cmd)
	if err != nil {
		return nil, fmt.Errorf("start the command's process: %w", err)
	}
	return &command{role: r, pgid: cmd.Process.Pid}, nil
}

// becomeCommand is the command's process until it is the command.
func becomeCommand(path string, argv []string) error {
	var start [1]byte
	if _, err := os.NewFile(lifelineFD, "lifeline").Read(start[:]); err != nil {
		return nil // given up before the start, and reported by the supervisor
	}
	syscall.CloseOnExec(lifelineFD)
	// Stopped by Ctrl-Z it would keep the terminal's foreground, and nobody
	// would notice.
	signal.Ignore(syscall.SIGTSTP)
	err := syscall.Exec(path, argv, os.Environ())
	fmt.Fprintf(os.Stderr, "devstack: run the command: %s: %v\n", path, err)
	os.Exit(ExitNotExecutable)
	return err
}

// run starts the prepared command, passes signals on to its group until it
// ends, and returns its exit code.
func (c *command) run(signals <-chan os.Signal) (int, error) {
	takeBack := giveTerminal(c.pgid)
	defer takeBack()
	if _, err := c.lifeline.Write([]byte{1}); err != nil {
		return ExitFailure, fmt.Errorf("start the command: %w", err)
	}
	for {
		select {
		case s := <-signals:
			// The group may have ended just now.
			_ = syscall.Kill(-c.pgid, s.(syscall.Signal))
		case <-c.done:
			return exitCode(c.cmd.ProcessState), nil
		}
	}
}

// end ends whatever is left of the command's group.
func (c *command) end(grace time.Duration) {
	c.lifeline.Close()
	endGroup(c.pgid, grace)
	c.wait(killLimit)
}
