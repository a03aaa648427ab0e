package supervise_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"helfy/devstack/supervise"
)

const limit = 30 * time.Second

// stack is a supervisor in a process of its own.
type stack struct {
	t *testing.T
	setup
	cmd            *exec.Cmd
	stdout, stderr *output
	ended          chan struct{}
}

// start runs a command beside the parts. The options change the setup.
func start(t *testing.T, command []string, options ...func(*stack)) *stack {
	t.Helper()
	ports, err := supervise.FreePorts(2)
	if err != nil {
		t.Fatal(err)
	}
	s := &stack{
		t:      t,
		setup:  setup{Dir: t.TempDir(), Server: steady, ServerPort: ports[0], Kafka: ports[1], Command: command},
		cmd:    exec.Command(os.Args[0]),
		stdout: &output{}, stderr: &output{},
		ended: make(chan struct{}),
	}
	s.cmd.Stdout, s.cmd.Stderr = s.stdout, s.stderr
	// A command that outlives its supervisor must not keep Wait waiting.
	s.cmd.WaitDelay = time.Second
	for _, option := range options {
		option(s)
	}
	text, err := json.Marshal(s.setup)
	if err != nil {
		t.Fatal(err)
	}
	s.cmd.Args = append(s.cmd.Args, "devstack", string(text))
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(s.ended)
		_ = s.cmd.Wait()
	}()
	t.Cleanup(func() {
		_ = s.cmd.Process.Kill()
		<-s.ended
		if t.Failed() {
			t.Logf("devstack's stderr:\n%s", s.stderr)
		}
	})
	return s
}

func with(change func(*setup)) func(*stack) { return func(s *stack) { change(&s.setup) } }

// sh is a command: a shell script.
func sh(script string) []string { return []string{"sh", "-c", script} }

// wait returns the exit code.
func (s *stack) wait() int {
	s.t.Helper()
	select {
	case <-s.ended:
		return s.cmd.ProcessState.ExitCode()
	case <-time.After(limit):
		s.t.Fatal("devstack does not end")
		return 0
	}
}

func (s *stack) expectExit(want int) {
	s.t.Helper()
	if got := s.wait(); got != want {
		s.t.Errorf("exit code %d, want %d", got, want)
	}
}

func (s *stack) signal(sig syscall.Signal) {
	s.t.Helper()
	if err := s.cmd.Process.Signal(sig); err != nil {
		s.t.Fatal(err)
	}
}

// pid returns a process id from a file in the data folder, once it is there.
func (s *stack) pid(name string) int {
	s.t.Helper()
	var pid int
	eventually(s.t, name+".pid is written", func() bool {
		text, err := os.ReadFile(filepath.Join(s.Dir, name+".pid"))
		if err != nil {
			return false
		}
		pid, err = strconv.Atoi(strings.TrimSpace(string(text)))
		return err == nil
	})
	return pid
}

func (s *stack) serverAddr() string { return supervise.Port{Number: s.ServerPort}.Addr() }

// awaitOutput returns once the command has written text.
func (s *stack) awaitOutput(text string) {
	s.t.Helper()
	eventually(s.t, "the output has "+text, func() bool { return s.stdout.has(text) })
}

func (s *stack) awaitReport(text string) {
	s.t.Helper()
	eventually(s.t, "devstack reports "+text, func() bool { return s.stderr.has(text) })
}

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(limit); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", limit, what)
		}
	}
}

func expectGone(t *testing.T, pids map[string]int) {
	t.Helper()
	for name, pid := range pids {
		eventually(t, name+" is gone", func() bool { return errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) })
	}
}

func expectNoFile(t *testing.T, path string) {
	t.Helper()
	eventually(t, path+" is removed", func() bool {
		_, err := os.Stat(path)
		return errors.Is(err, os.ErrNotExist)
	})
}

// output collects what a process writes.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

var _ io.Writer = (*output)(nil)

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

func (o *output) has(text string) bool { return strings.Contains(o.String(), text) }
