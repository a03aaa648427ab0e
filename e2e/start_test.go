package e2e

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"helfy/domain"
	"helfy/internal/stack"
	"helfy/service"
)

func TestEverythingMayBeStartedBeforeWhatItNeeds(t *testing.T) {
	t.Parallel()
	own := stack.NewOwn(t)
	config := own.Bare()
	own.Ctl("kill", "tidb")
	own.Ctl("kill", "kafka")
	config.StartTimeout = patience
	serving := stack.Start(t, config, "serve")
	api := stack.NewClient(serving.Address(t))
	consuming := stack.Start(t, config, "consume")
	oneShots := map[string]*stack.Process{
		"changefeed": stack.Start(t, config, "changefeed", "ensure"),
		"topics":     stack.Start(t, config, "topics", "ensure"),
		"migrate":    stack.Start(t, config, "migrate", "up"),
	}
	requireState(t, api, "/livez", http.StatusOK, `"alive"`)
	requireState(t, api, "/readyz", http.StatusServiceUnavailable, `"reason":"TiDB does not answer"`)
	for process, waits := range map[*stack.Process]string{
		oneShots["migrate"]: "waiting for TiDB at", oneShots["topics"]: "waiting for Kafka at", oneShots["changefeed"]: "waiting for the tables at",
		consuming: `"part":"the tables"`, serving: `"part":"the tables"`,
	} {
		stack.Eventually(t, patience, func() error {
			if said := process.Said(); !strings.Contains(said, waits) {
				return errors.New("want " + waits + ", it said " + said)
			}
			return nil
		})
	}
	own.Ctl("start", "tidb")
	if err := oneShots["migrate"].Wait(patience); err != nil {
		t.Errorf("helfy migrate up: %v: %s", err, oneShots["migrate"].Said())
	}
	own.Ctl("start", "kafka")
	for name, process := range oneShots {
		if err := process.Wait(patience); err != nil {
			t.Errorf("helfy %s: %v: %s", name, err, process.Said())
		}
	}
	requireState(t, api, "/readyz", http.StatusOK, `"ready"`)
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	if entries := settledAudit(t, api); len(entries) < 4 {
		t.Errorf("%d entries, want those of a user and a login", len(entries))
	}
}

func TestWhatNeverComesIsWaitedForNoLongerThanConfigured(t *testing.T) {
	t.Parallel()
	own := stack.NewOwn(t)
	ready := own.Config()
	other := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(other.Close)
	for name, c := range map[string]struct {
		change func(*service.Config)
		says   string
		runs   []string // the first words of those that need it
	}{
		"TiDB":   {func(c *service.Config) { c.TiDBPort = 1 }, "TiDB at 127.0.0.1:1 is not there after START_TIMEOUT, 2s", []string{"migrate up"}},
		"tables": {func(c *service.Config) { c.TiDBDatabase += "x" }, "the tables at", []string{"serve", "consume", "changefeed ensure", "run"}},
		"Kafka":  {func(c *service.Config) { c.KafkaBrokers = []string{"127.0.0.1:1"} }, "Kafka at 127.0.0.1:1 is not there after START_TIMEOUT, 2s", []string{"topics ensure"}},
		"topics": {func(c *service.Config) { c.EventsTopic += "x" }, "run helfy topics ensure", []string{"consume", "changefeed ensure"}},
		"TiCDC":  {func(c *service.Config) { c.TiCDCURL = "http://127.0.0.1:1" }, "TiCDC at http://127.0.0.1:1 is not there", []string{"changefeed ensure"}},
		// These do not get better by waiting; accounts may be made just now.
		"account":        {func(c *service.Config) { c.TiDBUser, c.StartTimeout = "nobody", patience }, "TIDB_USER", []string{"migrate up", "consume"}},
		"another server": {func(c *service.Config) { c.TiCDCURL, c.StartTimeout = other.URL, patience }, "404", []string{"changefeed ensure"}},
	} {
		away := ready
		away.StartTimeout = 2 * time.Second
		c.change(&away)
		for _, words := range c.runs {
			t.Run(name+", "+words, func(t *testing.T) {
				process := stack.Start(t, away, strings.Fields(words)...)
				began := time.Now()
				if err := process.Wait(patience / 2); err == nil || strings.Contains(err.Error(), "did not end") {
					t.Errorf("it ended with %v after %s", err, time.Since(began))
				}
				if said := process.Said(); !strings.Contains(said, c.says) {
					t.Errorf("want it to say %q, it said %s", c.says, said)
				}
			})
		}
	}
}
