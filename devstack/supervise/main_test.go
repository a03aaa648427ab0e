package supervise_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"helfy/devstack/kafka"
	"helfy/devstack/probe"
	"helfy/devstack/supervise"
)

// TestMain is also the supervisor's process (with "devstack SETUP" as
// arguments) and, as that re-executes itself, each of its roles.
func TestMain(m *testing.M) {
	switch {
	case len(os.Args) == 3 && os.Args[1] == "devstack":
		os.Exit(runSupervisor(os.Args[2]))
	case len(os.Args) > 2 && os.Args[1] == supervise.RoleVerb:
		os.Exit(runRole(os.Args[2], os.Args[3:]))
	}
	// The processes started from here would sleep a second as they end.
	os.Setenv("GORACE", "atexit_sleep_ms=0")
	os.Exit(m.Run())
}

var limits = supervise.Limits{Ready: 20 * time.Second, Stop: 2 * time.Second, Grace: time.Second}

// setup is a supervise.Config as text. Its parts are a real broker, and in
// TiDB's place a small server, since what is tested is how processes behave.
type setup struct {
	Dir               string
	Ephemeral         bool
	Server            behaviour
	ServerPort, Kafka int
	Env               []string
	Command           []string
}

// behaviour is what the small server does.
type behaviour string

const (
	steady   behaviour = "steady"
	failing  behaviour = "failing"  // cannot start
	silent   behaviour = "silent"   // never answers
	stubborn behaviour = "stubborn" // does not stop
	slow     behaviour = "slow"     // takes a second to stop
	wrapping behaviour = "wrapping" // is the parent of the one that serves
	foreign  behaviour = "foreign"  // was there before
)

func runSupervisor(text string) int {
	var s setup
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		panic(err)
	}
	server := supervise.Port{Number: s.ServerPort, Title: "TiDB", Flag: "--tidb-port", Env: "DEVSTACK_TIDB_PORT"}
	broker := supervise.Port{Number: s.Kafka, Title: "Kafka", Flag: "--kafka-port", Env: "DEVSTACK_KAFKA_PORT"}
	first := supervise.Part{
		Name: "tidb", Args: []string{"server", s.Dir, strconv.Itoa(server.Number), string(s.Server)}, Ports: []supervise.Port{server},
		Ready: func(ctx context.Context) error { return dial(ctx, server.Addr()) },
	}
	if s.Server == foreign {
		first.Args, first.Ports, first.Foreign = nil, nil, server.Addr()
	}
	code, err := supervise.Run(supervise.Config{
		Dir: s.Dir, Ephemeral: s.Ephemeral, Command: s.Command, Env: s.Env,
		Stderr: os.Stderr, Executable: os.Args[0], Limits: limits,
		Parts: []supervise.Part{first, {
			Name: "kafka", Args: []string{"kafka", s.Dir, strconv.Itoa(broker.Number)}, Ports: []supervise.Port{broker},
			Ready: func(ctx context.Context) error { return probe.Kafka(ctx, broker.Addr()) },
		}},
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, "devstack:", err)
	}
	return code
}

func runRole(name string, args []string) int {
	if name != "server" && name != "kafka" {
		return supervise.Role(name, args)
	}
	port, err := strconv.Atoi(args[1])
	if err != nil {
		panic(err)
	}
	if err := writePid(args[0], name); err != nil {
		panic(err)
	}
	return supervise.ServePart(limits.Stop, func(ctx context.Context) error {
		if name == "kafka" {
			defer logStop(args[0], "kafka")
			return kafka.Run(ctx, kafka.Config{DataDir: filepath.Join(args[0], "kafka"), Port: port})
		}
		if behaviour(args[2]) == wrapping {
			child := exec.Command(os.Args[0], supervise.RoleVerb, name, args[0], args[1], string(steady))
			child.Stderr = os.Stderr
			return child.Run()
		}
		defer logStop(args[0], "tidb")
		return serve(ctx, port, behaviour(args[2]))
	})
}

// serve is the small server: it accepts connections.
func serve(ctx context.Context, port int, b behaviour) error {
	switch b {
	case failing:
		return errors.New("the disk is on fire")
	case silent:
		<-ctx.Done()
		return nil
	}
	l, err := net.Listen("tcp", supervise.Port{Number: port}.Addr())
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer stop()
	for {
		conn, err := l.Accept()
		if err != nil {
			break
		}
		conn.Close()
	}
	switch b {
	case stubborn:
		select {}
	case slow:
		time.Sleep(time.Second) // what it does, not a wait for anything
	}
	return nil
}

// logStop notes in which order the parts stop.
func logStop(dir, name string) {
	f, err := os.OpenFile(filepath.Join(dir, "stopped"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		panic(err)
	}
	defer f.Close()
	fmt.Fprintln(f, name)
}

func writePid(dir, name string) error {
	return os.WriteFile(filepath.Join(dir, name+".pid"), []byte(strconv.Itoa(os.Getpid())), 0o600)
}

func dial(ctx context.Context, addr string) error {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	return conn.Close()
}
