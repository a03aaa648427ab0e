//go:build apachekafka

package stack

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"helfy/adapters/kafka"
)

// brokerStart bounds how long a broker takes to be ready, on a busy machine.
const brokerStart = 2 * time.Minute

// Broker is an Apache Kafka of the test's own, as DEVSTACK_KAFKA_COMMAND makes
// it. It listens on the loopback interface without any protection; Properties
// may have it listen elsewhere besides.
type Broker struct {
	t          testing.TB
	port       int
	dir        string
	properties string
	process    *exec.Cmd
	ended      chan struct{}
}

// NewBroker starts a broker with an empty folder that ends with the test.
// Properties are lines of server.properties, which override the command's.
func NewBroker(t testing.TB, properties ...string) *Broker {
	t.Helper()
	return NewBrokerAt(t, FreePort(t), properties...)
}

// NewBrokerAt is NewBroker whose port is given.
func NewBrokerAt(t testing.TB, port int, properties ...string) *Broker {
	t.Helper()
	b := newBroker(t, port, properties...)
	b.Start()
	b.Await()
	return b
}

func newBroker(t testing.TB, port int, properties ...string) *Broker {
	t.Helper()
	b := &Broker{t: t, port: port, dir: t.TempDir(), properties: strings.Join(properties, "\n")}
	t.Cleanup(func() {
		b.end(syscall.SIGKILL)
		if t.Failed() {
			b.logTrouble()
		}
	})
	return b
}

// Address is where the broker listens without protection.
func (b *Broker) Address() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(b.port)) }

// Start starts the broker, and does not wait until it is ready.
func (b *Broker) Start() {
	b.t.Helper()
	log, err := os.OpenFile(b.log(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		b.t.Fatal(err)
	}
	b.process = exec.CommandContext(context.Background(), "sh", "-c",
		"exec "+os.Getenv("DEVSTACK_KAFKA_COMMAND")+` "$@"`, "sh", strconv.Itoa(b.port), b.dir)
	b.process.Env = append(os.Environ(), "APACHE_KAFKA_PROPERTIES="+b.properties)
	b.process.Stdout, b.process.Stderr = log, log
	b.process.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := errors.Join(b.process.Start(), log.Close()); err != nil {
		b.t.Fatalf("start Apache Kafka (DEVSTACK_KAFKA_COMMAND): %v", err)
	}
	b.ended = make(chan struct{})
	go func(process *exec.Cmd, ended chan struct{}) {
		defer close(ended)
		_ = process.Wait()
	}(b.process, b.ended)
}

// Await waits until the broker answers.
func (b *Broker) Await() {
	b.t.Helper()
	Eventually(b.t, brokerStart, func() error {
		select {
		case <-b.ended:
			b.t.Fatalf("Apache Kafka has ended: %v", b.process.ProcessState)
		default:
		}
		ctx, cancel := context.WithTimeout(b.t.Context(), time.Second)
		defer cancel()
		return kafka.Cluster{Brokers: []string{b.Address()}}.Ping(ctx)
	})
}

// Kill ends the broker by SIGKILL, and Stop by SIGTERM; they return when it is
// gone.
func (b *Broker) Kill() { b.t.Helper(); b.end(syscall.SIGKILL) }

// Stop is described at Kill.
func (b *Broker) Stop() { b.t.Helper(); b.end(syscall.SIGTERM) }

// LoseDisk removes what a broker that has ended had stored.
func (b *Broker) LoseDisk() {
	b.t.Helper()
	if err := os.RemoveAll(filepath.Join(b.dir, "data")); err != nil {
		b.t.Fatal(err)
	}
}

func (b *Broker) end(signal syscall.Signal) {
	b.t.Helper()
	if b.process == nil {
		return
	}
	// An error means that it is gone already.
	_ = b.process.Process.Signal(signal)
	select {
	case <-b.ended:
	case <-time.After(brokerStart):
		b.t.Errorf("Apache Kafka does not end after %v", signal)
		_ = b.process.Process.Kill()
		<-b.ended
	}
}

func (b *Broker) log() string { return filepath.Join(b.dir, "kafka.log") }

// logTrouble shows the broker's last warnings.
func (b *Broker) logTrouble() {
	text, err := os.ReadFile(b.log())
	if err != nil {
		b.t.Log(err)
	}
	var trouble []string
	for line := range strings.Lines(string(text)) {
		if strings.Contains(line, " WARN ") || strings.Contains(line, " ERROR ") || strings.Contains(line, " FATAL ") {
			trouble = append(trouble[max(0, len(trouble)-keptTrouble+1):], line)
		}
	}
	b.t.Logf("the last trouble of the broker at %s:\n%s", b.Address(), strings.Join(trouble, ""))
}

// Cluster is several brokers, each with every partition.
type Cluster []*Broker

// NewCluster starts a cluster of so many brokers that ends with the test. What
// is written to it is on all brokers but one at least.
func NewCluster(t testing.TB, size int) Cluster {
	t.Helper()
	var cluster Cluster
	var voters []string
	ports := make([]int, 2*size)
	for i := range ports {
		ports[i] = FreePort(t)
	}
	for i := range size {
		voters = append(voters, fmt.Sprintf("%d@127.0.0.1:%d", i+1, ports[size+i]))
	}
	for i := range size {
		cluster = append(cluster, newBroker(t, ports[i],
			fmt.Sprintf("node.id=%d", i+1),
			"controller.quorum.voters="+strings.Join(voters, ","),
			fmt.Sprintf("listeners=PLAINTEXT://127.0.0.1:%d,CONTROLLER://127.0.0.1:%d", ports[i], ports[size+i]),
			fmt.Sprintf("offsets.topic.replication.factor=%d", size),
			fmt.Sprintf("min.insync.replicas=%d", size-1),
		))
	}
	for _, broker := range cluster {
		broker.Start()
	}
	for _, broker := range cluster {
		broker.Await()
	}
	return cluster
}

// Addresses are those of all brokers.
func (c Cluster) Addresses() []string {
	var addresses []string
	for _, broker := range c {
		addresses = append(addresses, broker.Address())
	}
	return addresses
}
