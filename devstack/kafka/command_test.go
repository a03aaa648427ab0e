package kafka_test

import (
	"context"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"helfy/devstack/kafka"
	"helfy/devstack/probe"
	"helfy/devstack/supervise"
)

// serveUntilTerminated is this test's program as a command that is a broker.
func serveUntilTerminated() string { return "'" + os.Args[0] + "' command" }

func TestACommandIsABrokerUntilItIsStopped(t *testing.T) {
	cfg := kafka.Config{DataDir: filepath.Join(t.TempDir(), "a folder"), Port: freePort(t)}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- kafka.RunCommand(ctx, cfg, serveUntilTerminated(), limit) }()
	addr := supervise.Port{Number: cfg.Port}.Addr()
	for deadline := time.Now().Add(limit); probe.Kafka(t.Context(), addr) != nil; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the broker does not answer")
		}
	}
	if files, err := os.ReadDir(cfg.DataDir); err != nil || len(files) == 0 {
		t.Errorf("its data folder has %v, %v", files, err)
	}
	stop()
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(limit):
		t.Fatal("it does not stop")
	}
	if probe.Kafka(t.Context(), addr) == nil {
		t.Error("the broker still answers")
	}
}

func TestACommandThatDoesNotStopIsKilledWhichIsAnError(t *testing.T) {
	ctx, stop := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer stop()
	err := kafka.RunCommand(ctx, kafka.Config{DataDir: t.TempDir()}, `sh -c 'trap "" TERM; while :; do sleep 0.01; done' sh`, time.Second)
	if err == nil || !strings.Contains(err.Error(), "killed") {
		t.Errorf("got %v", err)
	}
}

func TestACommandThatEndsByItselfIsAnError(t *testing.T) {
	for command, want := range map[string]string{"true": "exit status 0", "false": "exit status 1", "no-such-command": "exit status 127"} {
		err := kafka.RunCommand(t.Context(), kafka.Config{DataDir: t.TempDir()}, command, limit)
		if err == nil || !strings.Contains(err.Error(), command) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", command, err, want)
		}
	}
}

// runCommand is the process of serveUntilTerminated.
func runCommand(port, dir string) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	number, err := strconv.Atoi(port)
	if err != nil {
		panic(err)
	}
	if err := kafka.Run(ctx, kafka.Config{DataDir: dir, Port: number}); err != nil {
		panic(err)
	}
	return 0
}
