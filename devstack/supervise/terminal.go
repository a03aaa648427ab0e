package supervise

import (
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"
)

const stdin = 0

// giveTerminal gives the foreground of the terminal on stdin to a process
// group when this process's group has it, so that the group can read from the
// terminal and is what Ctrl-C interrupts. takeBack undoes it.
func giveTerminal(pgid int) (takeBack func()) {
	own := unix.Getpgrp()
	if foreground, err := unix.IoctlGetInt(stdin, unix.TIOCGPGRP); err != nil || foreground != own {
		return func() {}
	}
	// From the background, taking it back (and writing to it, with stty
	// tostop) would stop this process.
	signal.Ignore(syscall.SIGTTOU)
	setForeground(pgid)
	return func() { setForeground(own) }
}

// setForeground can fail only when the terminal has gone away, and then nobody
// needs its foreground.
func setForeground(pgid int) { _ = unix.IoctlSetPointerInt(stdin, unix.TIOCSPGRP, pgid) }
