package supervise_test

import (
	"fmt"
	"io"
	"os"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func TestCtrlCReachesTheCommandWhichCanReadTheTerminal(t *testing.T) {
	terminal := newTerminal(t)
	// A shell without job control, so that it shares devstack's process group
	// and can read the terminal only when devstack has taken it back.
	s := start(t, sh(`trap 'echo interrupted; exit 42' INT
		read line; echo "command read $line"; while :; do sleep 0.01; done`), terminal.attach)
	terminal.write("hello\n")
	terminal.await("command read hello")
	terminal.write("\x1a") // Ctrl-Z would stop it with the terminal in its hands
	terminal.write("\x03")
	terminal.await("interrupted")
	terminal.await("exit code 42")
	terminal.write("again\n")
	terminal.await("shell read again")
	s.expectExit(0)
}

// terminal is a pseudo terminal's master.
type terminal struct {
	t      *testing.T
	master *os.File
	output output
}

func newTerminal(t *testing.T) *terminal {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	term := &terminal{t: t, master: master}
	done := make(chan struct{})
	t.Cleanup(func() { master.Close(); <-done })
	go func() {
		defer close(done)
		// The end of the last process that has the terminal is an error.
		_, _ = io.Copy(&term.output, master)
	}()
	return term
}

// attach makes the terminal the controlling one of a session in which a shell
// runs the stack.
func (term *terminal) attach(s *stack) {
	conn, err := term.master.SyscallConn()
	if err != nil {
		term.t.Fatal(err)
	}
	var number int
	if ctlErr := conn.Control(func(fd uintptr) {
		if err = unix.IoctlSetPointerInt(int(fd), unix.TIOCSPTLCK, 0); err == nil {
			number, err = unix.IoctlGetInt(int(fd), unix.TIOCGPTN)
		}
	}); ctlErr != nil || err != nil {
		term.t.Fatal(ctlErr, err)
	}
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		term.t.Fatal(err)
	}
	term.t.Cleanup(func() { slave.Close() })
	s.cmd.Path = "/bin/sh"
	s.cmd.Args = []string{"sh", "-c", `trap : INT; "$@"; echo "exit code $?"; read line; echo "shell read $line"`, "sh", os.Args[0]}
	s.cmd.Stdin, s.cmd.Stdout, s.cmd.Stderr = slave, slave, slave
	// The shell's process group has devstack in it.
	term.t.Cleanup(func() { _ = syscall.Kill(-s.cmd.Process.Pid, syscall.SIGKILL) })
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
}

func (term *terminal) write(text string) {
	term.t.Helper()
	if _, err := term.master.WriteString(text); err != nil {
		term.t.Fatal(err)
	}
}

func (term *terminal) await(text string) {
	term.t.Helper()
	eventually(term.t, "the terminal shows "+text, func() bool { return term.output.has(text) })
}
