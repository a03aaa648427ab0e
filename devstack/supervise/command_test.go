package supervise_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"helfy/devstack/supervise"
)

func TestExitCodeIsTheCommands(t *testing.T) {
	plain := filepath.Join(t.TempDir(), "plain")
	if err := os.WriteFile(plain, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		command []string
		want    int
	}{
		"success":        {sh("exit 0"), 0},
		"failure":        {sh("exit 7"), 7},
		"killed":         {sh("kill -9 $$"), 137},
		"terminated":     {sh("kill $$"), 143},
		"not found":      {[]string{"no-such-command"}, supervise.ExitNotFound},
		"not executable": {[]string{plain}, supervise.ExitNotExecutable},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			start(t, test.command).expectExit(test.want)
		})
	}
}

func TestCommandHasItsArgumentsEnvironmentAndStreams(t *testing.T) {
	s := start(t, []string{"sh", "-c", `read line; echo "$TIDB_PORT, $2, $line"; echo complaint >&2`, "sh", "-x", "two  words"},
		with(func(s *setup) { s.Env = []string{"TIDB_PORT=4000"} }),
		func(s *stack) { s.cmd.Stdin = strings.NewReader("from stdin\n") })
	s.expectExit(0)
	if got, want := s.stdout.String(), "4000, two  words, from stdin\n"; got != want {
		t.Errorf("the command wrote %q, want %q", got, want)
	}
	if !s.stderr.has("complaint\n") {
		t.Error("the command's stderr is not devstack's")
	}
}

func TestCommandStartsWhenThePartsAreReady(t *testing.T) {
	s := start(t, sh("echo running"))
	s.expectExit(0)
	for _, want := range []string{"starting tidb: TiDB on " + s.serverAddr(), "tidb is ready after", "kafka is ready after"} {
		if !s.stderr.has(want) {
			t.Errorf("not reported: %s", want)
		}
	}
}

func TestSignalsArePassedOnEachTime(t *testing.T) {
	for name, sig := range map[string]syscall.Signal{"INT": syscall.SIGINT, "TERM": syscall.SIGTERM, "HUP": syscall.SIGHUP} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t, sh(`n=0; trap 'n=$((n+1)); echo got $n; [ $n = 2 ] && exit 42' `+name+`
				echo running; while :; do sleep 0.01; done`))
			s.awaitOutput("running")
			s.signal(sig)
			s.awaitOutput("got 1")
			s.signal(sig)
			s.expectExit(42)
			if n := strings.Count(s.stdout.String(), "got"); n != 2 {
				t.Errorf("the command got %d signals, want 2", n)
			}
		})
	}
}

func TestSignalEndsTheStart(t *testing.T) {
	s := start(t, sh("echo running"), with(func(s *setup) { s.Server = silent }))
	pids := map[string]int{"tidb": s.pid("server"), "kafka": s.pid("kafka")}
	s.signal(syscall.SIGTERM)
	s.expectExit(143)
	expectGone(t, pids)
	if out := s.stdout.String(); out != "" {
		t.Errorf("the command ran: %s", out)
	}
}

// family is a command with a child, and one that defies SIGTERM.
const family = `echo $$ >"$DIR/command.pid"
	sh -c 'echo $$ >"$DIR/child.pid"; exec sleep 1000' &
	sh -c 'trap "" TERM; echo $$ >"$DIR/defiant.pid"; while :; do sleep 1; done' &
	wait`

func startFamily(t *testing.T, options ...func(*stack)) (*stack, map[string]int) {
	s := start(t, sh(family), append(options, func(s *stack) { s.Env = []string{"DIR=" + s.Dir} })...)
	pids := map[string]int{}
	for _, name := range []string{"command", "child", "defiant", "server", "kafka"} {
		pids[name] = s.pid(name)
	}
	return s, pids
}

func TestKilledCommandLeavesNothing(t *testing.T) {
	s, pids := startFamily(t)
	if err := syscall.Kill(pids["command"], syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	s.expectExit(137)
	expectGone(t, pids)
}

func TestKilledSupervisorLeavesNothing(t *testing.T) {
	s, pids := startFamily(t, with(func(s *setup) {
		s.Dir, s.Ephemeral = supervise.TempDir(), true
	}))
	socket, err := supervise.FindSocket(s.Dir)
	if err != nil {
		t.Fatal(err)
	}
	s.signal(syscall.SIGKILL)
	expectGone(t, pids)
	expectNoFile(t, s.Dir)
	expectNoFile(t, filepath.Dir(socket))
}

func TestSupervisorKilledDuringTheStartLeavesNothing(t *testing.T) {
	s := start(t, sh("echo running"), with(func(s *setup) {
		s.Server, s.Dir, s.Ephemeral = silent, supervise.TempDir(), true
	}))
	pids := map[string]int{"tidb": s.pid("server"), "kafka": s.pid("kafka")}
	s.signal(syscall.SIGKILL)
	expectGone(t, pids)
	expectNoFile(t, s.Dir)
	if out := s.stdout.String(); out != "" {
		t.Errorf("the command ran: %s", out)
	}
}
