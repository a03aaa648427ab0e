package stack

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

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

// NewOwn starts a devstack that ends with the test, with variables of its own
// in its environment, as NAME=value.
func NewOwn(t testing.TB, environ ...string) *Own {
	t.Helper()
	command := exec.CommandContext(context.Background(), binary("devstack"), arguments("--ephemeral")...)
	command.Env = append(os.Environ(), environ...)
	return newOwn(t, command)
}

// NewOwnIn is NewOwn with its data in a folder: kafka, tidb and log.
func NewOwnIn(t testing.TB, dir string) *Own {
	t.Helper()
	return newOwn(t, exec.CommandContext(context.Background(), binary("devstack"), arguments(dataIn(t, dir)...)...))
}

// dataIn returns the flags of a devstack with its data in a folder, on ports
// that are free.
func dataIn(t testing.TB, dir string) []string {
	t.Helper()
	flags := []string{"--data", dir}
	for _, port := range []string{"--tidb-port", "--kafka-port", "--ticdc-port"} {
		flags = append(flags, port, strconv.Itoa(FreePort(t)))
	}
	return flags
}

// arguments returns flags of devstack with the command behind them, which tells
// its environment and ends with this process, whatever happens to it: cat ends
// with its standard input. Its Kafka is the one that the tests run against.
func arguments(flags ...string) []string {
	if os.Getenv("DEVSTACK_KAFKA_COMMAND") != "" {
		flags = append(flags, "--kafka", "external")
	}
	return append(flags, "--", "sh", "-c", "env; echo; exec cat")
}

func newOwn(t testing.TB, command *exec.Cmd) *Own {
	t.Helper()
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

// Config is New on this devstack.
func (o *Own) Config() service.Config {
	o.t.Helper()
	return o.ConfigWith(func(*service.Config) {})
}

// ConfigWith is Config with a change.
func (o *Own) ConfigWith(change func(*service.Config)) service.Config {
	o.t.Helper()
	config := o.Bare()
	change(&config)
	setUp(o.t, config)
	return config
}

// Bare is Config without anything being set up: neither database nor topics
// nor changefeed are there.
func (o *Own) Bare() service.Config {
	o.t.Helper()
	config := newConfig(o.t)
	port, err := strconv.Atoi(o.value("TIDB_PORT"))
	if err != nil {
		o.t.Fatal(err)
	}
	config.TiDBHost, config.TiDBPort = o.value("TIDB_HOST"), port
	config.KafkaBrokers = strings.Split(o.value("KAFKA_BROKERS"), ",")
	config.ChangefeedBrokers = config.KafkaBrokers
	config.TiCDCURL = o.value("TICDC_URL")
	return config
}

// value returns a variable of the devstack's environment.
func (o *Own) value(name string) string {
	o.t.Helper()
	for _, variable := range o.env {
		if value, ok := strings.CutPrefix(variable, name+"="); ok {
			return value
		}
	}
	o.t.Fatalf("devstack does not export %s", name)
	return ""
}

// Ctl kills (-9), starts or restarts tidb or kafka and returns when that is
// done.
func (o *Own) Ctl(verb, part string) {
	o.t.Helper()
	if err := o.Try(verb, part); err != nil {
		o.t.Error(err)
	}
}

// Try is Ctl of what may fail.
func (o *Own) Try(verb, part string) error {
	ctx, cancel := context.WithTimeout(o.t.Context(), time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, binary("devstack"), "ctl", verb, part)
	command.Env = o.env
	if out, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("devstack ctl %s %s: %w: %s", verb, part, err, out)
	}
	return nil
}
