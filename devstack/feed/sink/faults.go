package sink

import (
	"net"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// faults remembers the newest error of a broker connection, to be able to say
// why Kafka does not answer.
type faults struct {
	mu     sync.Mutex
	newest error
}

func (f *faults) last() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.newest == nil {
		return errNoFault
	}
	return f.newest
}

func (f *faults) note(err error) {
	if err == nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.newest = err
}

// OnBrokerConnect is called by the Kafka client.
func (f *faults) OnBrokerConnect(_ kgo.BrokerMetadata, _ time.Duration, _ net.Conn, err error) {
	f.note(err)
}

// OnBrokerE2E is called by the Kafka client.
func (f *faults) OnBrokerE2E(_ kgo.BrokerMetadata, _ int16, e2e kgo.BrokerE2E) { f.note(e2e.Err()) }
