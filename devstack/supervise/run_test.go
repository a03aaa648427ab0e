package supervise_test

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"helfy/devstack/supervise"
)

func TestPartsStopInOrder(t *testing.T) {
	s := start(t, sh("exit 0"), with(func(s *setup) { s.Server = slow }))
	s.expectExit(0)
	order, err := os.ReadFile(filepath.Join(s.Dir, "stopped"))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := string(order), "tidb\nkafka\n"; got != want {
		t.Errorf("stopped %q, want %q", got, want)
	}
}

func TestPartThatDoesNotStopIsKilled(t *testing.T) {
	s := start(t, sh("exit 3"), with(func(s *setup) { s.Server = stubborn }))
	pid := s.pid("server")
	s.expectExit(3)
	expectGone(t, map[string]int{"tidb": pid})
}

func TestPartThatDoesNotStartIsReported(t *testing.T) {
	s := start(t, sh("echo running"), with(func(s *setup) { s.Server = failing }))
	s.expectExit(supervise.ExitFailure)
	for _, want := range []string{"start tidb", "exit status 1", "the disk is on fire", filepath.Join(s.Dir, "log", "tidb.log")} {
		if !s.stderr.has(want) {
			t.Errorf("not reported: %s", want)
		}
	}
	expectGone(t, map[string]int{"kafka": s.pid("kafka")})
}

func TestPartThatEndsByItselfIsReportedAndCanBeStarted(t *testing.T) {
	s := start(t, sh("trap 'exit 0' TERM; echo running; while :; do sleep 0.01; done"))
	s.awaitOutput("running")
	if err := syscall.Kill(s.pid("server"), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	s.awaitReport("tidb ended by itself with signal: killed")
	s.awaitReport("devstack ctl start tidb")
	s.control("start", "tidb")
	expectAnswer(t, s.serverAddr(), true)
	s.signal(syscall.SIGTERM)
	s.expectExit(0)
}

func TestTakenPortIsNamed(t *testing.T) {
	ports, err := supervise.FreePorts(1)
	if err != nil {
		t.Fatal(err)
	}
	taken := supervise.Port{Number: ports[0]}
	l, err := net.Listen("tcp", taken.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	s := start(t, sh("echo running"), with(func(s *setup) { s.Kafka = taken.Number }))
	s.expectExit(supervise.ExitFailure)
	want := fmt.Sprintf("port %d for Kafka cannot be had; choose another with --kafka-port or DEVSTACK_KAFKA_PORT", taken.Number)
	if !s.stderr.has(want) {
		t.Errorf("not reported: %s", want)
	}
}

func TestSecondDevstackOnAFolderIsRefused(t *testing.T) {
	first := start(t, sh("echo running; exec sleep 1000"))
	first.awaitOutput("running")
	second := start(t, sh("echo running"), with(func(s *setup) { s.Dir = first.Dir }))
	second.expectExit(supervise.ExitFailure)
	want := fmt.Sprintf("the data folder %s is in use by another devstack (pid %d)", first.Dir, first.cmd.Process.Pid)
	if !second.stderr.has(want) {
		t.Errorf("not reported: %s", want)
	}
	expectAnswer(t, first.serverAddr(), true)
}

func TestNextDevstackWaitsForThePartsOfAKilledOne(t *testing.T) {
	first := start(t, sh("echo running; exec sleep 1000"), with(func(s *setup) { s.Server = slow }))
	first.awaitOutput("running")
	first.signal(syscall.SIGKILL)
	first.wait()
	second := start(t, sh("cat \"$DIR/stopped\""), func(s *stack) {
		s.Dir, s.Env = first.Dir, []string{"DIR=" + first.Dir}
	})
	second.expectExit(0)
	if out := second.stdout.String(); !strings.Contains(out, "tidb") || !strings.Contains(out, "kafka") {
		t.Errorf("started when only these had stopped: %q", out)
	}
}

func TestEphemeralFolderIsRemoved(t *testing.T) {
	s := start(t, sh("exit 0"), with(func(s *setup) { s.Dir, s.Ephemeral = supervise.TempDir(), true }))
	s.expectExit(0)
	if _, err := os.Stat(s.Dir); !os.IsNotExist(err) {
		t.Errorf("%s is still there: %v", s.Dir, err)
	}
}

func TestUnusableDataFolderIsNamed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s := start(t, sh("echo running"), with(func(s *setup) { s.Dir = file }))
	s.expectExit(supervise.ExitFailure)
	if !s.stderr.has(file) {
		t.Errorf("%s is not named", file)
	}
}

func TestLogsDoNotGrowFromRunToRun(t *testing.T) {
	dir := t.TempDir()
	for range 3 {
		start(t, sh("exit 0"), with(func(s *setup) { s.Dir = dir })).expectExit(0)
	}
	log, err := os.ReadFile(filepath.Join(dir, "log", "kafka.log"))
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(log), "serving on"); n != 1 {
		t.Errorf("the log has %d runs, want 1", n)
	}
}

func TestFreePortsDifferAndLieBelowTheKernelsRange(t *testing.T) {
	ports, err := supervise.FreePorts(20)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[int]bool{}
	for _, p := range ports {
		if p < 20000 || p >= 32000 || seen[p] {
			t.Errorf("got %d, want different ports from 20000 to 32000", p)
		}
		seen[p] = true
	}
}
