package supervise

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"syscall"
	"time"
)

// The guard outlives a supervisor that is killed, to end the command's process
// group and to remove folders. Its lifeline tells it the group: a line with
// its id once it exists, and one with 0 once it is ended.

func startGuard(cfg Config, remove []string) (*role, error) {
	args := append([]string{RoleVerb, guardRole, cfg.Limits.Grace.String(), cfg.Limits.free().String()}, remove...)
	cmd := exec.Command(cfg.Executable, args...)
	cmd.Stderr = os.Stderr
	g, err := startRole(cmd)
	if err != nil {
		return nil, fmt.Errorf("start the guard process: %w", err)
	}
	return g, nil
}

func tellGuard(g *role, pgid int) error {
	if _, err := fmt.Fprintln(g.lifeline, pgid); err != nil {
		return fmt.Errorf("tell the guard process of the command: %w", err)
	}
	return nil
}

// runGuard is the guard process. grace is for the command's group, free is how
// long it may take until the folders are unlocked.
func runGuard(grace, free string, remove []string) error {
	signal.Ignore(syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	graceLimit, err := time.ParseDuration(grace)
	if err != nil {
		return err
	}
	freeLimit, err := time.ParseDuration(free)
	if err != nil {
		return err
	}
	pgid := 0
	lines := bufio.NewScanner(os.NewFile(lifelineFD, "lifeline"))
	for lines.Scan() {
		if pgid, err = strconv.Atoi(lines.Text()); err != nil {
			return err
		}
	}
	if pgid != 0 {
		endGroup(pgid, graceLimit)
	}
	return removeDirs(remove, freeLimit)
}

func removeDirs(dirs []string, limit time.Duration) error {
	var errs []error
	for _, dir := range dirs {
		errs = append(errs, RemoveDir(dir, limit))
	}
	return errors.Join(errs...)
}
