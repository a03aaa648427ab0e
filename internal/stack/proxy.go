package stack

import (
	"bytes"
	"context"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"
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
// COMMIT, or make it silent, and slow every COMMIT down.
type Proxy struct {
	Port int
	// Cuts counts the connections that were cut, Commits the COMMITs.
	Cuts, Commits atomic.Int32
	before        atomic.Int32
	cut           atomic.Int32
	delay         atomic.Int64 // nanoseconds
	silent        atomic.Bool
	frozen        atomic.Bool
	target        string
	wait          sync.WaitGroup
}

// NewProxy starts a proxy to target that ends with the test.
func NewProxy(t testing.TB, target string) *Proxy {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{Port: listener.Addr().(*net.TCPAddr).Port, target: target}
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
	return p
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
