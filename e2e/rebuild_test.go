package e2e

import (
	"encoding/json"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"helfy/internal/stack"
)

// rebuilt is what helfy rebuild --json prints last.
type rebuilt struct {
	Generation, Live int
	Resumed          bool
	Records          int64
	Equal, Switched  bool
	New, Old         struct {
		Rows int64
		Sum  string
	}
}

func readRebuilt(t *testing.T, printed string) rebuilt {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(printed), "\n")
	var result rebuilt
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &result); err != nil {
		t.Fatalf("%v: %s", err, printed)
	}
	return result
}

func TestARebuildThatIsKilledTwentyTimesUnderLoadEndsAsOneThatIsNot(t *testing.T) {
	t.Parallel()
	const kills = 20
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))

	config := stack.NewOwn(t).Config()
	logins := newLoad(t, config, 20)
	logins.logins = 1500
	api := stack.NewClient(stack.Start(t, config, "run").Address(t))
	logins.start(t.Context(), api)
	logins.waitFor(t, 500)

	// A rebuild of so few messages is over in a moment, so that some of the
	// kills come after its end: then the next one begins with a new generation.
	resumed := 0
	for range kills {
		rebuild := stack.Start(t, config, "rebuild", "audit", "--json")
		stack.Pause(t, time.Duration(random.IntN(400))*time.Millisecond)
		rebuild.Kill()
		if strings.Contains(rebuild.Said(), `"resumed":true`) {
			resumed++
		}
	}
	code, printed := stack.RunCommand(t, config, "", "rebuild", "audit", "--json")
	result := readRebuilt(t, printed)
	t.Logf("exit code %d, resumed before %d times: %+v", code, resumed, result)
	if code != 0 || !result.Equal || !result.Switched {
		t.Fatalf("exit code %d: %s", code, printed)
	}
	logins.waitFor(t, 1000)
	if code, printed := stack.RunCommand(t, config, "", "rollback", "audit"); code != 0 {
		t.Errorf("rollback: exit code %d: %s", code, printed)
	}
	logins.finish(t)
	for _, answer := range logins.answers {
		if answer.kind != "200" {
			t.Errorf("a login was answered %s", answer.kind)
		}
	}
	requireExactlyOnce(t, config, api, logins)

	code, printed = stack.RunCommand(t, config, "", "rebuild", "audit", "--json")
	if result := readRebuilt(t, printed); code != 0 || !result.Equal || !result.Switched {
		t.Errorf("a rebuild that is not killed: exit code %d, %+v", code, result)
	}
	requireExactlyOnce(t, config, api, logins)
	if code, printed := stack.RunCommand(t, config, "", "projections", "prune", "audit"); code != 0 {
		t.Errorf("prune: exit code %d: %s", code, printed)
	}
	requireExactlyOnce(t, config, api, logins)
}
