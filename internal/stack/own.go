package stack

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"helfy/domain"
	"helfy/service"
)

// Own is a devstack of the test's own, whose parts it may kill.
type Own struct {
	t   testing.TB
	env []string
}

// binary returns the path of a program that the build task has made.
func binary(name string) string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(file), "..", "..", "bin", name)
}

// NewOwn starts a devstack that ends with the test.
func NewOwn(t testing.TB) *Own {
	t.Helper()
	// cat ends with its standard input, so devstack ends with this process
	// whatever happens to it.
	command := exec.CommandContext(context.Background(), binary("devstack"), "--ephemeral", "--", "sh", "-c", "env; echo; exec cat")
	command.Stderr = testWriter{t}
	stdin, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatalf("start devstack (go tool task build makes it): %v", err)
	}
	t.Cleanup(func() {
		if err := stdin.Close(); err != nil {
			t.Error(err)
		}
		if err := command.Wait(); err != nil {
			t.Errorf("devstack: %v", err)
		}
	})
	own := &Own{t: t, env: readEnv(stdout)}
	if len(own.env) == 0 {
		t.Fatal("devstack did not start")
	}
	return own
}

func readEnv(stdout io.Reader) []string {
	var env []string
	lines := bufio.NewScanner(stdout)
	for lines.Scan() && lines.Text() != "" {
		env = append(env, lines.Text())
	}
	return env
}

// Config is New on this devstack. It sets the environment of the test's
// process, so that the test must not run beside others.
func (o *Own) Config() service.Config {
	o.t.Helper()
	for _, variable := range o.env {
		name, value, _ := strings.Cut(variable, "=")
		if strings.HasPrefix(name, "TIDB_") || name == "KAFKA_BROKERS" || name == "TICDC_URL" || name == "DEVSTACK_CTL" {
			o.t.(*testing.T).Setenv(name, value)
		}
	}
	return New(o.t)
}

// Ctl kills (-9), starts or restarts tidb or kafka and returns when that is
// done.
func (o *Own) Ctl(verb, part string) {
	o.t.Helper()
	ctx, cancel := context.WithTimeout(o.t.Context(), time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, binary("devstack"), "ctl", verb, part)
	command.Env = o.env
	if out, err := command.CombinedOutput(); err != nil {
		o.t.Errorf("devstack ctl %s %s: %v: %s", verb, part, err, out)
	}
}

// Process is a running helfy.
type Process struct {
	// Lines gets the log, a line each; lines that nobody takes are dropped.
	Lines   chan string
	command *exec.Cmd
	ended   chan struct{}
	err     error // once ended is closed
}

// Start runs bin/helfy with a configuration, until it is killed or the test
// ends.
func Start(t testing.TB, config service.Config, args ...string) *Process {
	t.Helper()
	p := &Process{ended: make(chan struct{}), Lines: make(chan string, 64)}
	p.command = exec.CommandContext(context.Background(), binary("helfy"), args...)
	p.command.Env = append(os.Environ(), environ(config)...)
	p.command.Stdout = lineWriter(p.Lines)
	p.command.Stderr = testWriter{t}
	if err := p.command.Start(); err != nil {
		t.Fatalf("start helfy (go tool task build makes it): %v", err)
	}
	go func() {
		defer close(p.ended)
		p.err = p.command.Wait()
	}()
	t.Cleanup(p.Kill)
	return p
}

// Kill ends the process by SIGKILL and returns when it is gone.
func (p *Process) Kill() {
	// An error means that it is gone already.
	_ = p.command.Process.Kill()
	<-p.ended
}

// Stop ends the process by SIGTERM and returns how it ended.
func (p *Process) Stop() error {
	if err := p.command.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case <-p.ended:
		return p.err
	case <-time.After(30 * time.Second):
		return errors.New("helfy did not end within 30 s of SIGTERM")
	}
}

// Address waits for a serving process to tell where it listens, and returns
// that as http://host:port.
func (p *Process) Address(t testing.TB) string {
	t.Helper()
	timeout := time.After(10 * time.Second)
	for {
		select {
		case line := <-p.Lines:
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

// environ is the environment that service.ReadConfig reads as config.
func environ(config service.Config) []string {
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
