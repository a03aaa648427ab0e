package stack

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"reflect"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"helfy/domain"
	"helfy/service"
)

// Process is a running helfy.
type Process struct {
	// Lines gets the log, a line each; lines that nobody takes are dropped.
	// It is closed when the process has ended.
	Lines   chan string
	command *exec.Cmd
	said    locked
	ended   chan struct{}
	// Once ended is closed:
	err     error
	trouble []string
}

// Start runs bin/helfy with a configuration and the account of the command, see
// As, until it is killed or the test ends.
func Start(t testing.TB, config service.Config, args ...string) *Process {
	t.Helper()
	return StartProgram(t, binary("helfy"), config, args...)
}

// StartProgram is Start for another build of helfy.
func StartProgram(t testing.TB, path string, config service.Config, args ...string) *Process {
	t.Helper()
	p := &Process{ended: make(chan struct{}), Lines: make(chan string, 64)}
	p.command = exec.CommandContext(context.Background(), path, args...)
	p.command.Env = append(os.Environ(), Environ(As(config, args...))...)
	p.command.Stderr = io.MultiWriter(testWriter{t}, &p.said)
	stdout, err := p.command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.command.Start(); err != nil {
		t.Fatalf("start %s (go tool task build makes it): %v", path, err)
	}
	go func() {
		defer close(p.ended)
		defer close(p.Lines)
		p.passLines(io.TeeReader(stdout, &p.said))
		p.err = p.command.Wait()
	}()
	t.Cleanup(func() {
		p.Kill()
		if t.Failed() {
			t.Logf("the last trouble of helfy %v:\n%s", args, strings.Join(p.trouble, "\n"))
		}
	})
	return p
}

// Said returns all that the process has written so far.
func (p *Process) Said() string {
	p.said.mu.Lock()
	defer p.said.mu.Unlock()
	return p.said.text.String()
}

// locked is a buffer that several goroutines may write to.
type locked struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// keptTrouble is how many warnings and errors of a process are shown when its
// test fails.
const keptTrouble = 20

// passLines passes lines on until the end, and drops those that nobody takes.
func (p *Process) passLines(from io.Reader) {
	scanner := bufio.NewScanner(from)
	scanner.Buffer(nil, 16<<20)
	for scanner.Scan() {
		line := scanner.Text()
		select {
		case p.Lines <- line:
		default:
		}
		if strings.Contains(line, `"level":"WARN"`) || strings.Contains(line, `"level":"ERROR"`) {
			p.trouble = append(p.trouble[max(0, len(p.trouble)-keptTrouble+1):], line)
		}
	}
	// What is left after a line too long must not block the process.
	_, _ = io.Copy(io.Discard, from)
}

// Kill ends the process by SIGKILL and returns when it is gone.
func (p *Process) Kill() {
	// An error means that it is gone already.
	_ = p.command.Process.Kill()
	<-p.ended
}

// Stop ends the process by SIGTERM and returns how it ended.
func (p *Process) Stop() error {
	if err := p.Terminate(); err != nil {
		return err
	}
	return p.Wait(30 * time.Second)
}

// Terminate sends SIGTERM.
func (p *Process) Terminate() error { return p.Signal(syscall.SIGTERM) }

// Signal sends a signal.
func (p *Process) Signal(signal syscall.Signal) error { return p.command.Process.Signal(signal) }

// Ended reports whether the process has ended.
func (p *Process) Ended() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

// Wait returns how the process ended, nil for exit code 0, or an error if it
// has not ended in time.
func (p *Process) Wait(timeout time.Duration) error {
	select {
	case <-p.ended:
		return p.err
	case <-time.After(timeout):
		return fmt.Errorf("helfy did not end within %s", timeout)
	}
}

// Address waits for a serving process to tell where it listens, and returns
// that as http://host:port.
func (p *Process) Address(t testing.TB) string {
	t.Helper()
	timeout := time.After(time.Minute)
	for {
		select {
		case line := <-p.Lines: // empty once the process has ended
			var said struct{ Msg, Address string }
			if json.Unmarshal([]byte(line), &said) == nil && said.Msg == "listening" {
				return "http://" + said.Address
			}
		case <-p.ended:
			t.Fatalf("helfy ended: %v", p.err)
		case <-timeout:
			t.Fatal("helfy does not say where it listens")
		}
	}
}

// Environ is the environment that service.ReadConfig reads as config.
func Environ(config service.Config) []string {
	var environ []string
	value := reflect.ValueOf(config)
	for field := range value.Type().Fields() {
		var text string
		switch v := value.FieldByIndex(field.Index).Interface().(type) {
		case domain.Secret:
			text = v.Reveal()
		case []string:
			text = strings.Join(v, ",")
		case []netip.Prefix:
			text = strings.Join(strings.Fields(strings.Trim(fmt.Sprint(v), "[]")), ",")
		default:
			text = fmt.Sprint(v)
		}
		environ = append(environ, field.Tag.Get("env")+"="+text)
	}
	return environ
}

// Command returns bin/helfy as Start runs it, to be run until ctx ends.
func Command(ctx context.Context, config service.Config, args ...string) *exec.Cmd {
	command := exec.CommandContext(ctx, binary("helfy"), args...)
	command.Env = append(os.Environ(), Environ(As(config, args...))...)
	return command
}

// RunCommand runs bin/helfy with a configuration to its end and returns its
// exit code and what it printed.
func RunCommand(t testing.TB, config service.Config, stdin string, args ...string) (code int, printed string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	command := Command(ctx, config, args...)
	command.Stdin = strings.NewReader(stdin)
	out, err := command.CombinedOutput()
	var ended *exec.ExitError
	if err != nil && !errors.As(err, &ended) {
		t.Fatalf("run helfy %v: %v", args, err)
	}
	return command.ProcessState.ExitCode(), string(out)
}
