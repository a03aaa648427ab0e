// Package e2e holds the promises of the service as tests: real processes,
// real parts, and faults in the middle.
package e2e

import (
	"testing"
	"time"

	"helfy/internal/stack"
)

// Every committed change of users and every event is in the audit log exactly
// once, whatever is killed.
func TestEveryLoginIsInTheAuditLogExactlyOnceWhateverIsKilled(t *testing.T) {
	t.Parallel()
	own := stack.NewOwn(t)
	config := own.Config()
	logins := newLoad(t, config, 50)
	logins.logins = 1000
	api := stack.NewClient(stack.Start(t, config, "serve").Address(t))
	consumer := stack.Start(t, config, "consume")

	started := time.Now()
	logins.start(t.Context(), api)
	killConsumer := func() {
		consumer.Kill()
		consumer = stack.Start(t, config, "consume")
	}
	for i, inject := range []func(){
		killConsumer,
		func() { own.Ctl("kill", "kafka"); own.Ctl("start", "kafka") },
		func() { own.Ctl("kill", "tidb"); own.Ctl("start", "tidb") },
		killConsumer,
	} {
		logins.waitFor(t, logins.logins*(i+1)/5)
		inject()
	}
	logins.finish(t)
	t.Logf("%d logins in %s", logins.logins, time.Since(started).Round(time.Millisecond))
	requireExactlyOnce(t, config, api, logins)
}
