package e2e

import (
	"math/rand/v2"
	"testing"
	"time"

	"helfy/internal/stack"
)

func TestTwentyKillsAtRandomDuringOneLoadLoseAndRepeatNothing(t *testing.T) {
	t.Parallel()
	const kills = 20
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))

	own := stack.NewOwn(t)
	config := own.Config()
	logins := newLoad(t, config, 20)
	logins.logins = 600
	api := stack.NewClient(stack.Start(t, config, "serve").Address(t))
	victim := stack.Start(t, config, "consume")

	killPart := func(part string) func() {
		return func() {
			own.Ctl("kill", part)
			stack.Pause(t, time.Duration(random.IntN(500))*time.Millisecond)
			own.Ctl("start", part)
		}
	}
	parts := map[string]func(){
		"tidb": killPart("tidb"), "kafka": killPart("kafka"),
		"consumer": func() { victim.Kill(); victim = stack.Start(t, config, "consume") },
	}
	names := []string{"tidb", "kafka", "consumer"}
	killed := map[string]int{}
	started := time.Now()
	logins.start(t.Context(), api)
	for i := range kills {
		logins.waitFor(t, logins.logins*(i+1)/(kills+1)+random.IntN(logins.logins/(2*kills)))
		name := names[random.IntN(len(names))]
		parts[name]()
		killed[name]++
	}
	logins.finish(t)
	t.Logf("%d logins in %s, killed %v", logins.logins, time.Since(started).Round(time.Millisecond), killed)
	requireExactlyOnce(t, config, api, logins)
}
