package supervise_test

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"helfy/devstack/supervise"
)

func TestCtlKillsStartsAndRestarts(t *testing.T) {
	s := start(t, sh(`echo "ctl at $DEVSTACK_CTL"; exec sleep 1000`))
	s.awaitOutput("ctl at /")
	first := s.pid("server")

	s.control("kill", "tidb")
	expectGone(t, map[string]int{"tidb": first})
	expectAnswer(t, s.serverAddr(), false)

	s.control("start", "tidb")
	expectAnswer(t, s.serverAddr(), true)
	second := s.pid("server")

	s.control("restart", "tidb")
	expectAnswer(t, s.serverAddr(), true)
	if third := s.pid("server"); third == second || second == first {
		t.Errorf("the processes %d, %d, %d are not three", first, second, third)
	}
	expectGone(t, map[string]int{"the second tidb": second})
	stopped, err := os.ReadFile(filepath.Join(s.Dir, "stopped"))
	if err != nil || string(stopped) != "tidb\n" {
		t.Errorf("restart did not stop it in order: %q, %v", stopped, err)
	}
	if s.stderr.has("by itself") {
		t.Error("an end that ctl ordered is reported as one that nobody wanted")
	}
}

func TestCtlKillsWhatAPartHasStarted(t *testing.T) {
	s := start(t, sh("echo running; exec sleep 1000"), with(func(s *setup) { s.Server = wrapping }))
	s.awaitOutput("running")
	for range 3 {
		s.control("kill", "tidb")
		expectAnswer(t, s.serverAddr(), false)
		s.control("start", "tidb")
		expectAnswer(t, s.serverAddr(), true)
	}
}

func TestAForeignPartIsOnlyWaitedFor(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	s := start(t, sh("echo running; exec sleep 1000"), with(func(s *setup) {
		s.Server, s.ServerPort = foreign, l.Addr().(*net.TCPAddr).Port
	}))
	s.awaitOutput("running")
	s.awaitReport("waiting for tidb at " + l.Addr().String())
	for _, verb := range []string{"kill", "start", "restart"} {
		err := supervise.Control(s.socket(), verb, "tidb")
		if want := "tidb runs at " + l.Addr().String() + " without devstack"; err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", verb, err, want)
		}
	}
	s.signal(syscall.SIGTERM)
	s.wait()
	expectAnswer(t, l.Addr().String(), true)
}

func TestCtlRefusesWhatItCannotDo(t *testing.T) {
	s := start(t, sh("echo running; exec sleep 1000"))
	s.awaitOutput("running")
	s.control("kill", "kafka")
	for _, test := range []struct{ verb, part, want string }{
		{"kill", "kafka", "kafka is not running"},
		{"start", "tidb", "tidb is running already"},
		{"start", "redis", `unknown part "redis": tidb or kafka`},
		{"pause", "tidb", `unknown order "pause": kill, start or restart`},
	} {
		err := supervise.Control(s.socket(), test.verb, test.part)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s %s: got %v, want %s", test.verb, test.part, err, test.want)
		}
	}
}

func TestCtlWithoutDevstackSaysSo(t *testing.T) {
	if err := supervise.Control(filepath.Join(t.TempDir(), "none"), "kill", "tidb"); err == nil || !strings.Contains(err.Error(), "no devstack is running") {
		t.Errorf("by socket: %v", err)
	}
	s := start(t, sh("exit 0"))
	s.expectExit(0)
	for _, dir := range []string{s.Dir, t.TempDir()} {
		if _, err := supervise.FindSocket(dir); err == nil || !strings.Contains(err.Error(), "no devstack is running on the data folder "+dir) {
			t.Errorf("by folder: %v", err)
		}
	}
}

func TestOnlyTheUserCanReachCtl(t *testing.T) {
	s := start(t, sh("echo running; exec sleep 1000"))
	s.awaitOutput("running")
	info, err := os.Stat(filepath.Dir(s.socket()))
	if err != nil {
		t.Fatal(err)
	}
	if mode := info.Mode().Perm(); mode != 0o700 {
		t.Errorf("the socket's folder has mode %o, want 700", mode)
	}
}

func (s *stack) socket() string {
	s.t.Helper()
	socket, err := supervise.FindSocket(s.Dir)
	if err != nil {
		s.t.Fatal(err)
	}
	return socket
}

func (s *stack) control(verb, part string) {
	s.t.Helper()
	if err := supervise.Control(s.socket(), verb, part); err != nil {
		s.t.Fatalf("ctl %s %s: %v", verb, part, err)
	}
}

func expectAnswer(t *testing.T, addr string, want bool) {
	t.Helper()
	if err := dial(t.Context(), addr); (err == nil) != want {
		t.Errorf("%s answers: %v, want %v (%v)", addr, err == nil, want, err)
	}
}
