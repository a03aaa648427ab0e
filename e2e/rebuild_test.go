package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"
	"time"

	"helfy/internal/stack"
	"helfy/service"
)

// rebuilt is what helfy rebuild --json prints last.
type rebuilt struct {
	Kind             string
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
	var result rebuilt
	for _, line := range strings.Split(printed, "\n") {
		if !strings.HasPrefix(line, `{"kind":"result"`) {
			continue
		}
		if err := json.Unmarshal([]byte(line), &result); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
	}
	return result
}

// runRebuild rebuilds a projection, which must succeed.
func runRebuild(t *testing.T, config service.Config, name string) rebuilt {
	t.Helper()
	code, printed := stack.RunCommand(t, config, "", "rebuild", name, "--json")
	result := readRebuilt(t, printed)
	if code != 0 || !result.Equal || !result.Switched {
		t.Fatalf("exit code %d: %s", code, printed)
	}
	return result
}

// killAtCommit runs a rebuild that is killed at its nth COMMIT, before or
// after it is done. If the rebuild does not get there, it returns what it
// printed.
func killAtCommit(t *testing.T, config service.Config, name string, n int, cut stack.Cut) (printed string, ended bool) {
	t.Helper()
	via, proxy := viaProxy(t, config)
	proxy.CutNth(n, cut)
	rebuild := stack.Start(t, via, "rebuild", name, "--json")
	stack.Eventually(t, patience, func() error {
		if proxy.Cuts.Load() == 0 && !rebuild.Ended() {
			return errors.New("the rebuild neither commits nor ends")
		}
		return nil
	})
	if rebuild.Ended() {
		return rebuild.Said(), true
	}
	rebuild.Kill()
	return "", false
}

// progressOf returns how many records the generation that is being built has
// read, and its number, or 0 if there is none.
func progressOf(t *testing.T, config service.Config) (generation, records int) {
	t.Helper()
	err := stack.DB(t, config).QueryRowContext(t.Context(), `
		SELECT COALESCE(MAX(generation), 0), COALESCE(SUM(next_offset - first_offset), 0)
		FROM projection_checkpoints WHERE NOT fed`).Scan(&generation, &records)
	if err != nil {
		t.Fatal(err)
	}
	return generation, records
}

func TestARebuildThatIsKilledTwentyTimesUnderLoadEndsAsOneThatIsNot(t *testing.T) {
	t.Parallel()
	const kills = 20
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))

	// Each partition is a transaction at least, and so a step.
	config := stack.NewOwn(t).ConfigWith(func(c *service.Config) { c.KafkaPartitions = 12 })
	logins := newLoad(t, config, 40)
	logins.logins, logins.pause = 800, 50*time.Millisecond
	api := stack.NewClient(stack.Start(t, config, "serve").Address(t))
	consumer := stack.Start(t, config, "consume")
	logins.start(t.Context(), api)
	logins.waitFor(t, 300)

	type step struct{ generation, records int }
	steps := map[step]bool{}
	var last step
	for range kills {
		// The first three begin the generation and open its checkpoints.
		cut := []stack.Cut{stack.FreezeBeforeCommit, stack.FreezeAfterCommit}[random.IntN(2)]
		if printed, ended := killAtCommit(t, config, "audit", 5+random.IntN(4), cut); ended {
			t.Fatalf("the rebuild is over: %s", printed)
		}
		last.generation, last.records = progressOf(t, config)
		steps[last] = true
	}
	t.Logf("resumed at %d steps, the last one %+v", len(steps), last)
	if len(steps) < 15 {
		t.Errorf("only %d different steps", len(steps))
	}
	rebuild := stack.Start(t, config, "rebuild", "audit", "--json")
	consumer.Kill()
	stack.Start(t, config, "consume")
	if err := rebuild.Wait(patience); err != nil {
		t.Fatalf("%v: %s", err, rebuild.Said())
	}
	killed := readRebuilt(t, rebuild.Said())
	if !killed.Resumed || !killed.Equal || !killed.Switched || killed.Generation != last.generation {
		t.Errorf("the last of them: %+v", killed)
	}
	if whole := runRebuild(t, config, "audit"); whole.Resumed || whole.Live != killed.Generation {
		t.Errorf("one that is not killed: %+v", whole)
	}
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
	if code, printed := stack.RunCommand(t, config, "", "projections", "prune", "audit"); code != 0 {
		t.Errorf("prune: exit code %d: %s", code, printed)
	}
	requireExactlyOnce(t, config, api, logins)
}

func TestARebuildGoesOnAfterAKillAtEachOfItsCommits(t *testing.T) {
	t.Parallel()
	config := stack.NewOwn(t).Config()
	logins := newLoad(t, config, 10)
	logins.logins = 40
	api := stack.NewClient(stack.Start(t, config, "run").Address(t))
	logins.start(t.Context(), api)
	logins.finish(t)
	requireExactlyOnce(t, config, api, logins)

	// The statistics have nothing to derive, and so less to commit.
	for name, least := range map[string]map[string]int{
		"audit": {"building": 5, "checking": 3}, "logins": {"building": 4, "checking": 1},
	} {
		killAtEachCommit(t, config, name, least)
	}
	requireExactlyOnce(t, config, api, logins)
	var unfinished int
	err := stack.DB(t, config).QueryRowContext(t.Context(),
		"SELECT COUNT(*) FROM projection_generations WHERE state NOT IN ('live', 'standby')").Scan(&unfinished)
	if err != nil || unfinished != 0 {
		t.Errorf("%d generations are unfinished, %v", unfinished, err)
	}
}

// killAtEachCommit rebuilds a projection with kills, of which so many at least
// must leave the generation in each state.
func killAtEachCommit(t *testing.T, config service.Config, name string, least map[string]int) {
	t.Helper()
	const most = 150
	var state string
	seen := map[string]int{}
	enough := func() bool {
		for state, count := range least {
			if seen[state] < count {
				return false
			}
		}
		return true
	}
	kills, over := 0, false
	for n := 1; !over && kills < most; n++ {
		cut := []stack.Cut{stack.FreezeBeforeCommit, stack.FreezeAfterCommit}[kills%2]
		if printed, ended := killAtCommit(t, config, name, n, cut); ended {
			if result := readRebuilt(t, printed); !result.Equal || !result.Switched {
				t.Errorf("it ended with %s", printed)
			}
			// How many commits a state takes depends on what came meanwhile: it
			// may have gone through one between two kills, and is done again.
			over, n, state = enough(), 0, ""
			continue
		}
		kills++
		now := newestState(t, config, name)
		seen[now]++
		switch {
		case enough():
			n += 3 // one that is killed after its last commit begins anew: let it end
		case now != state:
			n = 0 // where it has got further than before it has less to do
		}
		state = now
	}
	t.Logf("%s: %d kills, after which the generation was %v", name, kills, seen)
	if !over {
		t.Errorf("it has not ended after %d kills, after which it was %v, want %v", kills, seen, least)
	}
	runRebuild(t, config, name)
}

// newestState returns the state of a projection's newest generation.
func newestState(t *testing.T, config service.Config, name string) (state string) {
	t.Helper()
	err := stack.DB(t, config).QueryRowContext(t.Context(),
		"SELECT state FROM projection_generations WHERE projection = ? ORDER BY generation DESC LIMIT 1", name).Scan(&state)
	if err != nil {
		t.Fatal(err)
	}
	return state
}

func TestAConsumerThatIsKilledDuringTheSwitchLosesAndRepeatsNothing(t *testing.T) {
	t.Parallel()
	config := stack.NewOwn(t).Config()
	logins := newLoad(t, config, 10)
	logins.logins, logins.pause = 300, 50*time.Millisecond
	api := stack.NewClient(stack.Start(t, config, "serve").Address(t))
	consumer := stack.Start(t, config, "consume")
	logins.start(t.Context(), api)
	logins.waitFor(t, 50)

	slow, proxy := viaProxy(t, config)
	rebuild := stack.Start(t, slow, "rebuild", "audit", "--json")
	stack.Eventually(t, patience, func() error {
		if state := newestState(t, config, "audit"); state != "checking" {
			return fmt.Errorf("the newest generation is %s", state)
		}
		return nil
	})
	proxy.DelayCommits(time.Second)
	awaitSwitching(t, config)
	consumer.Kill()
	if state := newestState(t, config, "audit"); state != "checking" {
		t.Errorf("the consumer was killed too late: the generation is %s", state)
	}
	if err := rebuild.Wait(patience); err != nil {
		t.Fatalf("%v: %s", err, rebuild.Said())
	}
	if result := readRebuilt(t, rebuild.Said()); !result.Equal || !result.Switched {
		t.Errorf("got %+v", result)
	}
	stack.Start(t, config, "consume")
	logins.finish(t)
	requireExactlyOnce(t, config, api, logins)
	if code, printed := stack.RunCommand(t, config, "", "rollback", "audit"); code != 0 {
		t.Errorf("rollback: exit code %d: %s", code, printed)
	}
	requireExactlyOnce(t, config, api, logins)
}

// awaitSwitching returns while the switch of a rebuild, whose COMMITs are slow,
// holds the generations. Others hold them too, but for moments only.
func awaitSwitching(t *testing.T, config service.Config) {
	t.Helper()
	const long = 10 // looks
	db := stack.DB(t, config)
	held := 0
	stack.Eventually(t, patience, func() error {
		var stage string
		err := db.QueryRowContext(t.Context(), "SELECT stage FROM projection_rebuilds WHERE projection = 'audit'").Scan(&stage)
		if err != nil {
			return err
		}
		if stage != "compare" {
			return fmt.Errorf("the rebuild is at stage %s", stage)
		}
		tx, err := db.BeginTx(t.Context(), nil)
		if err != nil {
			return err
		}
		held++
		if _, err := tx.ExecContext(t.Context(), "SELECT * FROM projection_generations WHERE projection = 'audit' FOR UPDATE NOWAIT"); err == nil {
			held = 0
		}
		if err := tx.Rollback(); err != nil {
			return err
		}
		if held < long {
			return fmt.Errorf("the generations have been held for %d looks", held)
		}
		return nil
	})
}

func TestARebuildRidesOutRestartsOfTiDBAndKafka(t *testing.T) {
	t.Parallel()
	own := stack.NewOwn(t)
	config := own.ConfigWith(func(c *service.Config) { c.KafkaPartitions = 8 })
	logins := newLoad(t, config, 20)
	logins.logins, logins.pause = 300, 100*time.Millisecond
	api := stack.NewClient(stack.Start(t, config, "run").Address(t))
	logins.start(t.Context(), api)
	logins.waitFor(t, 100)

	slow, proxy := viaProxy(t, config)
	proxy.DelayCommits(300 * time.Millisecond)
	rebuild := stack.Start(t, slow, "rebuild", "audit", "--json")
	for _, part := range []string{"tidb", "kafka"} {
		committed := proxy.Commits.Load()
		stack.Eventually(t, patience, func() error {
			if n := proxy.Commits.Load() - committed; n < 6 && !rebuild.Ended() {
				return fmt.Errorf("%d transactions", n)
			}
			return nil
		})
		if rebuild.Ended() {
			t.Fatalf("it was over before %s went away: %s", part, rebuild.Said())
		}
		own.Ctl("kill", part)
		stack.Pause(t, 2*time.Second)
		own.Ctl("start", part)
	}
	if err := rebuild.Wait(patience); err != nil {
		t.Fatalf("%v: %s", err, rebuild.Said())
	}
	if result := readRebuilt(t, rebuild.Said()); !result.Equal || !result.Switched || !result.Resumed {
		t.Errorf("%s", rebuild.Said())
	}
	if !strings.Contains(rebuild.Said(), `"stage":"wait"`) {
		t.Errorf("it does not tell what it waited for: %s", rebuild.Said())
	}
	logins.finish(t)
	requireExactlyOnce(t, config, api, logins)
}

// A zombie is a consumer that was stopped in the middle of a flush and wakes
// when the generation that it writes is gone.
func TestTheLateFlushOfAZombieIsFencedOff(t *testing.T) {
	t.Parallel()
	config := stack.NewOwn(t).Config()
	logins := newLoad(t, config, 10)
	logins.logins = 60
	api := stack.NewClient(stack.Start(t, config, "serve").Address(t))
	zombie := stack.Start(t, config, "consume")
	logins.start(t.Context(), api)
	logins.finish(t)
	requireComplete(t, api)

	release := flushUnderWay(t, config)
	if err := zombie.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	release() // the flush gets its locks, and nobody goes on with it
	stack.Start(t, config, "consume")
	began := time.Now()
	result := runRebuild(t, config, "audit")
	if code, printed := stack.RunCommand(t, config, "", "projections", "prune", "audit"); code != 0 {
		t.Fatalf("prune: exit code %d: %s", code, printed)
	}
	t.Logf("rebuilt %+v and pruned %s after the consumer was stopped", result, time.Since(began).Round(time.Millisecond))
	if err := zombie.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	more := &load{names: logins.names, clients: 4, logins: 40}
	more.start(t.Context(), api)
	more.finish(t)
	logins.answers = append(logins.answers, more.answers...)
	requireExactlyOnce(t, config, api, logins)
	for _, rows := range []string{
		"projection_checkpoints WHERE projection = 'audit' AND", "projection_audit_entries WHERE", "projection_audit_findings WHERE",
	} {
		var left int
		err := stack.DB(t, config).QueryRowContext(t.Context(), "SELECT COUNT(*) FROM "+rows+" generation = 1").Scan(&left)
		if err != nil || left != 0 {
			t.Errorf("%d rows are left, %v: %s", left, err, rows)
		}
	}
}
