package tracing

import (
	"log/slog"
	"sync"
	"time"
)

// complainEvery is the least time between two lines about traces in the log.
const complainEvery = time.Minute

// complaints logs what goes wrong with traces, but not each time: while a
// collector is away every batch fails. It is safe for concurrent use.
type complaints struct {
	log *slog.Logger
	now func() time.Time

	mu     sync.Mutex
	last   time.Time // of the last line
	silent int       // failures since
}

func newComplaints(log *slog.Logger) *complaints { return &complaints{log: log, now: time.Now} }

// Handle implements otel.ErrorHandler.
func (c *complaints) Handle(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	if !c.last.IsZero() && now.Sub(c.last) < complainEvery {
		c.silent++
		return
	}
	c.log.Warn("cannot send traces", "error", err, "failuresBefore", c.silent)
	c.last, c.silent = now, 0
}
