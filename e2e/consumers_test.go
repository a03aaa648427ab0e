package e2e

import (
	"encoding/json"
	"sync/atomic"
	"testing"
	"time"

	"helfy/internal/stack"
	"helfy/service"
)

// consumer is a process that consumes, and how many events and changes its
// log tells of.
type consumer struct {
	*stack.Process
	records atomic.Int64
}

func startConsumer(t *testing.T, config service.Config) *consumer {
	t.Helper()
	c := &consumer{Process: stack.Start(t, config, "consume")}
	go func() {
		for line := range c.Lines { // until the process ends
			var said struct{ Msg string }
			if json.Unmarshal([]byte(line), &said) == nil && (said.Msg == "event" || said.Msg == "change") {
				c.records.Add(1)
			}
		}
	}()
	return c
}

func TestTwoConsumersShareTheWorkAndEachLoginIsInTheLogOnce(t *testing.T) {
	t.Parallel()
	config := stack.NewOwn(t).Config()
	logins := newLoad(t, config, 20)
	logins.logins = 400
	api := stack.NewClient(stack.Start(t, config, "serve").Address(t))
	consumers := []*consumer{startConsumer(t, config), startConsumer(t, config)}
	stack.AwaitMembers(t, config, len(consumers))

	started := time.Now()
	logins.start(t.Context(), api)
	logins.finish(t)
	t.Logf("%d logins in %s", logins.logins, time.Since(started).Round(time.Millisecond))
	requireExactlyOnce(t, config, api, logins)
	for i, consumer := range consumers {
		records := consumer.records.Load()
		t.Logf("consumer %d has projected %d records", i, records)
		if records == 0 {
			t.Errorf("consumer %d has not done anything", i)
		}
	}
}

func TestConsumersThatComeAndGoUnderLoadLoseAndRepeatNothing(t *testing.T) {
	t.Parallel()
	config := stack.NewOwn(t).Config()
	logins := newLoad(t, config, 20)
	logins.logins = 500
	api := stack.NewClient(stack.Start(t, config, "serve").Address(t))
	group := []*consumer{startConsumer(t, config)}
	join := func() { group = append(group, startConsumer(t, config)) }
	leave := func() {
		began := time.Now()
		if err := group[0].Stop(); err != nil {
			t.Errorf("a consumer that was told to leave: %v", err)
		}
		t.Logf("a consumer has left %s after SIGTERM", time.Since(began).Round(time.Millisecond))
		group = group[1:]
	}
	die := func() { group[0].Kill(); group = group[1:] }

	started := time.Now()
	logins.start(t.Context(), api)
	steps := []func(){join, join, leave, join, die, join, leave, die, join}
	for i, step := range steps {
		logins.waitFor(t, logins.logins*(i+1)/(len(steps)+1))
		step()
	}
	logins.finish(t)
	t.Logf("%d logins in %s, %d times a consumer came or went", logins.logins, time.Since(started).Round(time.Millisecond), len(steps))
	requireExactlyOnce(t, config, api, logins)
}
