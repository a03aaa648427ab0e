//go:build nginx

package web_test

import (
	"net"
	"net/netip"
	"sync"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

// names stands for Docker's DNS: it has the addresses of the processes of the
// API, and may lose and get some at any time.
type names struct {
	conn net.PacketConn
	mu   sync.Mutex
	all  []netip.Addr
}

func serveNames(t *testing.T, addresses ...string) *names {
	t.Helper()
	conn, err := (&net.ListenConfig{}).ListenPacket(t.Context(), "udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	n := &names{conn: conn}
	n.set(addresses...)
	ended := make(chan struct{})
	go func() { defer close(ended); n.serve() }()
	t.Cleanup(func() {
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
		<-ended
	})
	return n
}

func (n *names) set(addresses ...string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.all = nil
	for _, address := range addresses {
		n.all = append(n.all, netip.MustParseAddr(address))
	}
}

// serve answers until the connection is closed.
func (n *names) serve() {
	packet := make([]byte, 512)
	for {
		length, from, err := n.conn.ReadFrom(packet)
		if err != nil {
			return
		}
		if answer, err := n.answer(packet[:length]); err == nil {
			_, _ = n.conn.WriteTo(answer, from) // whoever gets none asks again
		}
	}
}

func (n *names) answer(question []byte) ([]byte, error) {
	var parser dnsmessage.Parser
	header, err := parser.Start(question)
	if err != nil {
		return nil, err
	}
	asked, err := parser.Question()
	if err != nil {
		return nil, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	known := asked.Name.String() == "api." && asked.Type == dnsmessage.TypeA && len(n.all) > 0
	header.Response = true
	if !known {
		header.RCode = dnsmessage.RCodeNameError
	}
	builder := dnsmessage.NewBuilder(nil, header)
	if err := builder.StartQuestions(); err != nil {
		return nil, err
	}
	if err := builder.Question(asked); err != nil {
		return nil, err
	}
	if err := builder.StartAnswers(); err != nil {
		return nil, err
	}
	for _, address := range n.all {
		if !known {
			break
		}
		name := dnsmessage.ResourceHeader{Name: asked.Name, Class: dnsmessage.ClassINET, TTL: 600}
		if err := builder.AResource(name, dnsmessage.AResource{A: address.As4()}); err != nil {
			return nil, err
		}
	}
	return builder.Finish()
}
