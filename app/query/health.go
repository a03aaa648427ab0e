package query

import (
	"context"
	"sync"
	"time"
)

// Probe reports what is wrong with a part, nil if nothing is.
type Probe func(ctx context.Context) error

// Health is the state of the parts that the service stands on.
type Health struct {
	Database error
	Kafka    error
}

// Healthy reports whether nothing is wrong.
func (h Health) Healthy() bool { return h.Database == nil && h.Kafka == nil }

const (
	probeTimeout = 2 * time.Second
	// healthTTL bounds how often the parts are asked, however many ask us.
	healthTTL = time.Second
)

// CheckHealth asks the parts. It is safe for concurrent use.
type CheckHealth struct {
	database, kafka Probe

	mu      sync.Mutex
	checked time.Time
	last    Health
}

// NewCheckHealth returns a check of the two parts.
func NewCheckHealth(database, kafka Probe) *CheckHealth {
	return &CheckHealth{database: database, kafka: kafka}
}

// Handle returns a state that is at most a second old. It takes at most two.
func (c *CheckHealth) Handle(ctx context.Context) Health {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.checked) < healthTTL {
		return c.last
	}
	// One asker's haste must not make the others see a failure.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), probeTimeout)
	defer cancel()
	var health Health
	var wait sync.WaitGroup
	wait.Go(func() { health.Database = c.database(ctx) })
	wait.Go(func() { health.Kafka = c.kafka(ctx) })
	wait.Wait()
	c.last, c.checked = health, time.Now()
	return health
}
