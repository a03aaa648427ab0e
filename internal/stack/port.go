package stack

import (
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
)

// given has the ports that FreePort has returned.
var given sync.Map

// FreePort returns a port of the loopback interface that nobody listens on, and
// each one once. It lies below the range from which the kernel takes the local
// ports of connections, so that no connection has it when it is listened on, at
// first or again.
func FreePort(t testing.TB) int {
	t.Helper()
	const low, high, tries = 20000, 32000, 100
	var last error
	for range tries {
		port := low + rand.IntN(high-low)
		if _, twice := given.LoadOrStore(port, true); twice {
			continue
		}
		listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			last = err
			continue
		}
		if err := listener.Close(); err != nil {
			t.Fatal(err)
		}
		return port
	}
	t.Fatalf("no free port between %d and %d was found in %d tries: %v", low, high, tries, last)
	return 0
}
