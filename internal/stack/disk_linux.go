package stack

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
)

// Disk is a small file system that has Kafka's data and nothing else.
type Disk struct {
	t       testing.TB
	ballast string
}

// NewOwnOnSmallDisk is NewOwn with Kafka's data on a tmpfs of so many bytes. It
// lives in a mount namespace of devstack's own, for which root or unprivileged
// user namespaces are needed, and is gone with devstack.
func NewOwnOnSmallDisk(t testing.TB, size int) (*Own, *Disk) {
	t.Helper()
	dir := t.TempDir()
	kafka := filepath.Join(dir, "kafka")
	if err := os.Mkdir(kafka, 0o700); err != nil {
		t.Fatal(err)
	}
	const mountAndRun = `mount -t tmpfs -o size="$1" tmpfs "$2" && shift 2 && exec "$@"`
	args := []string{"-c", mountAndRun, "sh", strconv.Itoa(size), kafka, binary("devstack")}
	args = append(args, arguments(dataIn(t, dir)...)...)
	command := exec.CommandContext(context.Background(), "sh", args...)
	command.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}},
	}
	t.Log("mounting a tmpfs for Kafka's data, for which root or unprivileged user namespaces are needed")
	own := newOwn(t, command)
	// The mount is seen only through a process that is in its namespace.
	return own, &Disk{t: t, ballast: fmt.Sprintf("/proc/%d/root%s/ballast", command.Process.Pid, kafka)}
}

// Fill leaves no byte free.
func (d *Disk) Fill() {
	d.t.Helper()
	file, err := os.Create(d.ballast)
	if err != nil {
		d.t.Fatal(err)
	}
	for _, size := range []int{1 << 16, 1} {
		for err = nil; err == nil; {
			_, err = file.Write(make([]byte, size))
		}
		if !errors.Is(err, syscall.ENOSPC) {
			d.t.Fatalf("fill the disk: %v", err)
		}
	}
	if err := file.Close(); err != nil {
		d.t.Fatal(err)
	}
}

// Free undoes Fill.
func (d *Disk) Free() {
	d.t.Helper()
	if err := os.Remove(d.ballast); err != nil {
		d.t.Fatal(err)
	}
}
