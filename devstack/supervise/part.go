package supervise

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	probeEvery = 10 * time.Millisecond
	probeLimit = time.Second
	killLimit  = 10 * time.Second
)

// part is a Part with its process. Its methods are safe for concurrent use;
// one at a time does its work.
type part struct {
	Part
	executable string
	log        string
	lock       *os.File
	limits     Limits
	report     func(format string, args ...any)

	mu   sync.Mutex
	proc *role
	// expected tells the end of proc that was asked for from one that was not.
	expected *atomic.Bool
}

// start starts the part and returns once it is ready.
func (p *part) start(ctx context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.running() {
		return fmt.Errorf("%s is running already (pid %d)", p.Name, p.proc.cmd.Process.Pid)
	}
	return p.launch(ctx)
}

// stop ends the part in order, or kills it when it does not end in time. A
// part that is not running is stopped already.
func (p *part) stop() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.end()
}

// restart stops the part when it is running, and starts it.
func (p *part) restart(ctx context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.end(); err != nil {
		return err
	}
	return p.launch(ctx)
}

// kill sends SIGKILL and returns once the process is gone.
func (p *part) kill() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.running() {
		return fmt.Errorf("%s is not running", p.Name)
	}
	p.expected.Store(true)
	return p.killProcess()
}

func (p *part) running() bool { return p.proc != nil && p.proc.running() }

func (p *part) launch(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("start %s: %w", p.Name, err)
	}
	if err := checkPorts(p.Ports); err != nil {
		return fmt.Errorf("start %s: %w", p.Name, err)
	}
	began := time.Now()
	if p.Foreign != "" {
		if err := p.awaitReady(ctx); err != nil {
			return fmt.Errorf("wait for %s at %s: %w", p.Name, p.Foreign, err)
		}
		return nil
	}
	if err := p.spawn(); err != nil {
		return fmt.Errorf("start %s: %w", p.Name, err)
	}
	if err := p.awaitReady(ctx); err != nil {
		return fmt.Errorf("start %s: %w", p.Name, errors.Join(err, p.end()))
	}
	p.report("%s is ready after %.1f s", p.Name, time.Since(began).Seconds())
	go p.watch(p.proc, p.expected)
	return nil
}

func (p *part) spawn() error {
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(p.executable, append([]string{RoleVerb}, p.Args...)...)
	cmd.Stdout, cmd.Stderr = log, log
	p.expected = new(atomic.Bool)
	p.proc, err = startRole(cmd, p.lock)
	return err
}

func (p *part) awaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, p.limits.Ready)
	defer cancel()
	var ended <-chan struct{} // nil for a foreign part, whose end is not seen
	if p.proc != nil {
		ended = p.proc.done
	}
	for {
		attempt, cancel := context.WithTimeout(ctx, probeLimit)
		err := p.Ready(attempt)
		cancel()
		if p.proc != nil && !p.proc.running() {
			return fmt.Errorf("it ended with %v%s", p.proc.cmd.ProcessState, tail(p.log))
		}
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			err = fmt.Errorf("not ready: %w (last: %v)", context.Cause(ctx), err)
			if p.proc != nil {
				err = fmt.Errorf("%w%s", err, tail(p.log))
			}
			return err
		case <-ended:
		case <-time.After(probeEvery):
		}
	}
}

// end closes the lifeline, which is the order to stop.
func (p *part) end() error {
	if !p.running() {
		return nil
	}
	p.expected.Store(true)
	p.proc.lifeline.Close()
	if p.proc.wait(p.limits.Stop) {
		if state := p.proc.cmd.ProcessState; !state.Success() {
			p.report("%s ended with %v when it was stopped%s", p.Name, state, tail(p.log))
		}
		return nil
	}
	p.report("%s did not stop within %v and is killed", p.Name, p.limits.Stop)
	return p.killProcess()
}

// killProcess kills the part's process group: a part may be a command that it
// has started.
func (p *part) killProcess() error {
	pid := p.proc.cmd.Process.Pid
	// The group is there until its leader is reaped, and named after it.
	if err := syscall.Kill(-pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("kill %s: %w", p.Name, err)
	}
	// Not before: the end of the lifeline is the order to stop in good order.
	p.proc.lifeline.Close()
	if !p.proc.wait(killLimit) {
		return fmt.Errorf("%s (pid %d) is still there %v after SIGKILL", p.Name, pid, killLimit)
	}
	return p.awaitPorts()
}

// awaitPorts returns once the ports of a part that was killed are free: what
// it has started may end a moment after it.
func (p *part) awaitPorts() error {
	for deadline := time.Now().Add(killLimit); ; time.Sleep(probeEvery) {
		err := checkPorts(p.Ports)
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%v after %s was killed: %w", killLimit, p.Name, err)
		}
	}
}

// watch reports an end that nobody asked for. It ends with the process.
func (p *part) watch(proc *role, expected *atomic.Bool) {
	<-proc.done
	if expected.Load() {
		return
	}
	p.report("%s ended by itself with %v; the command goes on without it%s",
		p.Name, proc.cmd.ProcessState, tail(p.log))
	p.report("to start %s again: devstack ctl start %[1]s", p.Name)
}

// exitCode is a process's exit code as a shell gives it.
func exitCode(state *os.ProcessState) int {
	if ws, ok := state.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return 128 + int(ws.Signal())
	}
	return state.ExitCode()
}
