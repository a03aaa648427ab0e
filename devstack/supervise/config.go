// Package supervise runs a command beside the processes it needs: it starts
// them, waits until they are ready, runs the command, stops everything again,
// and lets a fault test kill and restart each of them meanwhile.
//
// Every process that it starts is the same executable in an internal role
// (see RoleVerb). Each holds the read end of a pipe from the supervisor, so
// that none outlives it: the end of that pipe is both the order to stop and
// the sign that the supervisor is gone, however it went.
package supervise

import (
	"context"
	"crypto/rand"
	"io"
	"os"
	"path/filepath"
	"time"
)

// Config says what to run.
type Config struct {
	// Dir holds the parts' data and logs. It is created when missing and
	// locked, so that it serves one supervisor at a time.
	Dir string
	// Ephemeral has Dir removed at the end. Choose it by TempDir.
	Ephemeral bool
	// Parts are started together and stopped one after the other, in order.
	Parts []Part
	// Command is the command and its arguments.
	Command []string
	// Env is added to the command's environment, as NAME=value.
	Env []string
	// Stderr takes the progress lines.
	Stderr io.Writer
	// Executable is re-executed for the internal roles.
	Executable string
	// Limits are the longest waits.
	Limits Limits
}

// Part is one of the processes that the command needs.
type Part struct {
	// Name is what ctl calls it, and the name of its log.
	Name string
	// Args are the role and its arguments.
	Args []string
	// Foreign is where a part runs that somebody else starts and stops: it has
	// neither Args nor Ports, is only waited for, and ctl refuses it.
	Foreign string
	// Ports are where it listens.
	Ports []Port
	// Ready returns nil once the part answers. It is tried again and again.
	Ready func(ctx context.Context) error
}

// Limits are the longest waits.
type Limits struct {
	// Ready is how long a part may take until it answers.
	Ready time.Duration
	// Stop is how long a part may take to end before it is killed.
	Stop time.Duration
	// Grace is how long what the command leaves behind may take to end after
	// SIGTERM before it is killed.
	Grace time.Duration
}

// free is how long the data folder of a supervisor that was killed may stay
// locked: until its slowest part has cut itself off.
func (l Limits) free() time.Duration { return l.Stop + l.Grace }

// DefaultLimits suit parts that boot in seconds.
var DefaultLimits = Limits{Ready: 60 * time.Second, Stop: 10 * time.Second, Grace: 5 * time.Second}

// Exit codes that are not the command's, as env(1) and timeout(1) have them.
const (
	// ExitFailure is a failure of the supervisor itself.
	ExitFailure = 125
	// ExitNotExecutable is a command that is there but cannot be executed.
	ExitNotExecutable = 126
	// ExitNotFound is a command that is not there.
	ExitNotFound = 127
)

// TempDir returns the path of a temporary folder that is not there yet, for a
// Config that is ephemeral.
func TempDir() string { return filepath.Join(os.TempDir(), "devstack-"+rand.Text()) }
