package supervise

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sync/errgroup"
)

// Run runs the command beside its parts and returns the command's exit code.
// With an error the code says how the supervisor failed. SIGINT, SIGTERM and
// SIGHUP end a start that is under way; later they are the command's, and Run
// waits for it. Run is called once in a process.
func Run(cfg Config) (code int, err error) {
	signals := notify()
	defer signal.Stop(signals)
	path, code, err := lookCommand(cfg.Command[0])
	if err != nil {
		return code, err
	}
	s, err := open(cfg)
	if err != nil {
		return ExitFailure, err
	}
	defer func() {
		if closeErr := s.close(); closeErr != nil {
			err = errors.Join(err, closeErr)
			if code == 0 {
				code = ExitFailure
			}
		}
	}()
	return s.run(path, signals)
}

// notify relays the signals that end a program. SIGHUP stays ignored under
// nohup(1).
func notify() chan os.Signal {
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	if !signal.Ignored(syscall.SIGHUP) {
		signal.Notify(signals, syscall.SIGHUP)
	}
	return signals
}

// supervisor is what Run holds while the command lives.
type supervisor struct {
	cfg    Config
	remove []string // folders that are removed at the end
	guard  *role
	lock   *os.File
	parts  []*part
	ctl    net.Listener

	reportMu sync.Mutex
}

func open(cfg Config) (_ *supervisor, err error) {
	s := &supervisor{cfg: cfg}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	socket := socketPath()
	s.remove = append(s.remove, filepath.Dir(socket))
	if cfg.Ephemeral {
		s.remove = append(s.remove, cfg.Dir)
	}
	// Before the folders are there, so that no moment is unguarded.
	if s.guard, err = startGuard(cfg, s.remove); err != nil {
		return nil, err
	}
	if s.ctl, err = listenCtl(socket); err != nil {
		return nil, err
	}
	logs := filepath.Join(cfg.Dir, "log")
	if err := os.MkdirAll(logs, 0o700); err != nil {
		return nil, fmt.Errorf("make the data folder: %w", err)
	}
	if s.lock, err = lockDir(cfg.Dir, cfg.Limits.free()); err != nil {
		return nil, err
	}
	if err := writeHolder(s.lock, os.Getpid(), socket); err != nil {
		return nil, err
	}
	var ports []Port
	for _, p := range cfg.Parts {
		ports = append(ports, p.Ports...)
		log := filepath.Join(logs, p.Name+".log")
		if err := rotate(log); err != nil {
			return nil, err
		}
		s.parts = append(s.parts, &part{Part: p, executable: cfg.Executable, log: log, lock: s.lock, limits: cfg.Limits, report: s.report})
	}
	return s, checkPorts(ports)
}

func (s *supervisor) run(path string, signals <-chan os.Signal) (int, error) {
	s.cfg.Env = append(s.cfg.Env, SocketEnv+"="+s.ctl.Addr().String())
	cmd, err := prepareCommand(s.cfg, path)
	if err != nil {
		return ExitFailure, err
	}
	defer func() {
		cmd.end(s.cfg.Limits.Grace)
		// A guard that is gone is reported when it is closed.
		_ = tellGuard(s.guard, 0)
	}()
	if err := tellGuard(s.guard, cmd.pgid); err != nil {
		return ExitFailure, err
	}

	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	started := make(chan error, 1)
	go func() { started <- s.startParts(ctx) }()
	select {
	case err := <-started:
		if err != nil {
			return ExitFailure, err
		}
	case sig := <-signals:
		cancel()
		<-started
		return 128 + int(sig.(syscall.Signal)), fmt.Errorf("stopped by a signal (%v) before the command was started", sig)
	}

	served := make(chan struct{})
	go func() { serveCtl(ctx, s.ctl, s.parts); close(served) }()
	defer func() {
		cancel()
		s.ctl.Close()
		<-served
	}()
	return cmd.run(signals)
}

func (s *supervisor) startParts(ctx context.Context) error {
	s.report("data in %s, logs in %s", s.cfg.Dir, filepath.Join(s.cfg.Dir, "log"))
	g, ctx := errgroup.WithContext(ctx)
	for _, p := range s.parts {
		g.Go(func() error { return p.start(ctx) })
		if p.Foreign != "" {
			s.report("waiting for %s at %s", p.Name, p.Foreign)
			continue
		}
		var at []string
		for _, port := range p.Ports {
			at = append(at, fmt.Sprintf("%s on %s", port.Title, port.Addr()))
		}
		s.report("starting %s: %s", p.Name, strings.Join(at, ", "))
	}
	return g.Wait()
}

// close undoes open, as far as it came. The command's group has ended.
func (s *supervisor) close() error {
	var errs []error
	for _, p := range s.parts {
		errs = append(errs, p.stop())
	}
	if s.ctl != nil {
		s.ctl.Close()
	}
	if s.lock != nil {
		s.lock.Close()
	}
	errs = append(errs, removeDirs(s.remove, s.cfg.Limits.free()))
	if s.guard != nil {
		s.guard.lifeline.Close()
		if !s.guard.wait(s.cfg.Limits.Stop) {
			errs = append(errs, fmt.Errorf("the guard process (pid %d) does not end", s.guard.cmd.Process.Pid))
		} else if state := s.guard.cmd.ProcessState; !state.Success() {
			errs = append(errs, fmt.Errorf("the guard process ended with %v", state))
		}
	}
	return errors.Join(errs...)
}

// report writes a progress line. It is safe for concurrent use.
func (s *supervisor) report(format string, args ...any) {
	s.reportMu.Lock()
	defer s.reportMu.Unlock()
	// Whoever closed stderr does not want to know.
	_, _ = fmt.Fprintf(s.cfg.Stderr, "devstack: "+format+"\n", args...)
}
