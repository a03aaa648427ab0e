package stack

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"helfy/service"
)

// Cut says where a Proxy breaks the connection at a COMMIT.
type Cut int32

// The places.
const (
	// CutNothing lets everything pass.
	CutNothing Cut = iota
	// CutBeforeCommit drops the statement: the server never sees it.
	CutBeforeCommit
	// CutAfterCommit lets the server commit and drops its answer.
	CutAfterCommit
	// SilenceAfterCommit lets the server commit, and no answer comes nor does
	// the connection end.
	SilenceAfterCommit
	// FreezeBeforeCommit lets nothing pass any more, from the COMMIT on, on no
	// connection.
	FreezeBeforeCommit
	// FreezeAfterCommit lets the COMMIT pass as the last thing.
	FreezeAfterCommit
)

// Proxy stands between the service and TiDB. It can break a connection at its
// COMMIT, or make it silent, and slow every COMMIT down or hold it.
type Proxy struct {
	// Cuts counts the connections that were cut, Commits the COMMITs, Held
	// those of them that were held.
	Cuts, Commits, Held atomic.Int32
	before              atomic.Int32
	cut                 atomic.Int32
	ahead               atomic.Int32
	gate                atomic.Pointer[chan struct{}]
	delay               atomic.Int64 // nanoseconds
	silent              atomic.Bool
	frozen              atomic.Bool
	target              string
	wait                sync.WaitGroup
}

// ViaProxy returns the configuration of a process that reaches TiDB through a
// proxy, which ends with the test.
func ViaProxy(t testing.TB, config service.Config) (service.Config, *Proxy) {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{target: net.JoinHostPort(config.TiDBHost, strconv.Itoa(config.TiDBPort))}
	ctx, cancel := context.WithCancel(context.Background())
	p.wait.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			p.wait.Go(func() { p.serve(ctx, client) })
		}
	})
	t.Cleanup(func() {
		cancel()
		if err := listener.Close(); err != nil {
			t.Error(err)
		}
		p.wait.Wait()
	})
	config.TiDBPort = listener.Addr().(*net.TCPAddr).Port
	return config, p
}

// CutNext breaks the connection of the next COMMIT, once.
func (p *Proxy) CutNext(cut Cut) { p.CutNth(1, cut) }

// CutNth breaks the connection of the nth COMMIT from now on, counted from 1,
// once.
func (p *Proxy) CutNth(n int, cut Cut) {
	p.before.Store(int32(n - 1))
	p.cut.Store(int32(cut))
}

// DelayCommits makes every COMMIT from now on take so much longer.
func (p *Proxy) DelayCommits(by time.Duration) { p.delay.Store(int64(by)) }

// HoldCommits lets no COMMIT pass from the nth one on, counted from 1, until
// release. A client that gives up a COMMIT does not know what became of it, and
// asks again: what it does stays under way for longer than it waits for an
// answer.
func (p *Proxy) HoldCommits(n int) (release func()) {
	gate := make(chan struct{})
	p.ahead.Store(int32(n - 1))
	p.gate.Store(&gate)
	return sync.OnceFunc(func() {
		p.gate.Store(nil)
		close(gate)
	})
}

// AwaitHeld waits until a COMMIT is held.
func (p *Proxy) AwaitHeld(t testing.TB) {
	t.Helper()
	Eventually(t, setupTimeout, func() error {
		if p.Held.Load() == 0 {
			return errors.New("no COMMIT is held")
		}
		return nil
	})
}

// await lets a COMMIT wait while it is held.
func (p *Proxy) await(ctx context.Context) {
	gate := p.gate.Load()
	if gate == nil || p.ahead.Add(-1) >= 0 {
		return
	}
	p.Held.Add(1)
	select {
	case <-*gate:
	case <-ctx.Done():
	}
}

// FallSilent drops all that comes from the server from now on; connections
// stay, and new ones are accepted.
func (p *Proxy) FallSilent() { p.silent.Store(true) }

// commitPacket is COM_QUERY of COMMIT in MySQL's protocol.
var commitPacket = append([]byte{7, 0, 0, 0, 3}, "COMMIT"...)

func (p *Proxy) serve(ctx context.Context, client net.Conn) {
	server, err := (&net.Dialer{}).DialContext(ctx, "tcp", p.target)
	if err != nil {
		_ = client.Close()
		return
	}
	closeBoth := sync.OnceFunc(func() { _, _ = client.Close(), server.Close() })
	defer context.AfterFunc(ctx, closeBoth)()
	var cut, silent atomic.Bool
	p.wait.Go(func() {
		defer closeBoth()
		copyUntil(client, server, func([]byte) (pass, goOn bool) {
			return !cut.Load() && !silent.Load() && !p.silent.Load() && !p.frozen.Load(), !cut.Load()
		})
	})
	defer closeBoth()
	copyUntil(server, client, func(data []byte) (pass, goOn bool) {
		if p.frozen.Load() {
			return false, true
		}
		if !bytes.Equal(data, commitPacket) {
			return true, true
		}
		p.Commits.Add(1)
		p.await(ctx)
		select {
		case <-time.After(time.Duration(p.delay.Load())):
		case <-ctx.Done():
		}
		if Cut(p.cut.Load()) != CutNothing && p.before.Add(-1) >= 0 {
			return true, true
		}
		switch Cut(p.cut.Swap(int32(CutNothing))) {
		case CutBeforeCommit:
			p.Cuts.Add(1)
			return false, false
		case CutAfterCommit:
			p.Cuts.Add(1)
			cut.Store(true)
		case SilenceAfterCommit:
			p.Cuts.Add(1)
			silent.Store(true)
		case FreezeBeforeCommit:
			p.frozen.Store(true)
			p.Cuts.Add(1)
			return false, true
		case FreezeAfterCommit:
			p.frozen.Store(true)
			p.Cuts.Add(1)
		}
		return true, true
	})
}

// copyUntil copies until either side ends or judge does not want to go on.
func copyUntil(to io.Writer, from io.Reader, judge func(data []byte) (pass, goOn bool)) {
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		pass, goOn := judge(buffer[:n])
		if pass && n > 0 {
			if _, err := to.Write(buffer[:n]); err != nil {
				return
			}
		}
		if err != nil || !goOn {
			return
		}
	}
}
