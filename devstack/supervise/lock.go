package supervise

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const lockEvery = 20 * time.Millisecond

// lockDir locks a data folder for this process and the parts that inherit the
// lock. It is free again when the last of them ends: when a supervisor was
// killed, its parts may still be closing their data, and lockDir waits for
// them up to limit.
func lockDir(dir string, limit time.Duration) (*os.File, error) {
	f, err := os.OpenFile(lockPath(dir), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the data folder: %w", err)
	}
	for deadline := time.Now().Add(limit); ; time.Sleep(lockEvery) {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return f, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			f.Close()
			return nil, fmt.Errorf("lock the data folder %s: %w", dir, err)
		}
		pid, socket, _ := readHolder(dir)
		if answers(socket) {
			f.Close()
			return nil, fmt.Errorf("the data folder %s is in use by another devstack (pid %d)", dir, pid)
		}
		if time.Now().After(deadline) {
			f.Close()
			return nil, fmt.Errorf("the data folder %s is still in use by parts of a devstack that is gone (it was pid %d)", dir, pid)
		}
	}
}

// writeHolder says in a locked file who holds the folder and where it listens
// for ctl.
func writeHolder(f *os.File, pid int, socket string) error {
	if err := f.Truncate(0); err != nil {
		return fmt.Errorf("write the data folder's lock: %w", err)
	}
	if _, err := f.WriteAt(fmt.Appendf(nil, "%d\n%s\n", pid, socket), 0); err != nil {
		return fmt.Errorf("write the data folder's lock: %w", err)
	}
	return nil
}

func readHolder(dir string) (pid int, socket string, err error) {
	text, err := os.ReadFile(lockPath(dir))
	if err != nil {
		return 0, "", err
	}
	first, rest, _ := strings.Cut(string(text), "\n")
	pid, err = strconv.Atoi(first)
	return pid, strings.TrimSpace(rest), err
}

func lockPath(dir string) string { return filepath.Join(dir, "devstack.lock") }

// RemoveDir removes a data folder, for which it takes the folder's lock: one
// that a devstack uses is an error, and parts of one that is gone may take up
// to limit to end.
func RemoveDir(dir string, limit time.Duration) error {
	if _, err := os.Stat(lockPath(dir)); err == nil {
		lock, err := lockDir(dir, limit)
		if err != nil {
			return fmt.Errorf("remove %s: %w", dir, err)
		}
		defer lock.Close()
	}
	return os.RemoveAll(dir)
}
