package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"helfy/internal/stack"
	"helfy/service"
)

// callTiCDC calls TiCDC's API about the configuration's changefeed.
func callTiCDC(t *testing.T, config service.Config, method, path, body string) map[string]any {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method,
		config.TiCDCURL+"/api/v2/changefeeds/"+config.ChangefeedID+path, bytes.NewReader([]byte(body)))
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(response.Body)
	if err := errors.Join(err, response.Body.Close()); err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("%s %s: %d %s, %v", method, path, response.StatusCode, answer, err)
	}
	var document map[string]any
	if err := json.Unmarshal(answer, &document); err != nil {
		t.Fatal(err)
	}
	return document
}

func TestAReplacementOfTheChangefeedThatIsKilledIsGoneOnWith(t *testing.T) {
	t.Parallel()
	config := stack.NewOwn(t).Config()
	logins, api, endLoad := startGentleLoad(t, config)
	for _, step := range []string{"pausing", "changing its definition", "removing it", "creating the changefeed"} {
		// A target_ts cannot be taken away: another one must take its place.
		callTiCDC(t, config, http.MethodPost, "/pause", "")
		target := uint64(time.Now().Add(time.Hour).UnixMilli()) << 18
		callTiCDC(t, config, http.MethodPut, "", fmt.Sprintf(`{"target_ts":%d}`, target))
		callTiCDC(t, config, http.MethodPost, "/resume", "{}")
		killed := stack.Start(t, config, "changefeed", "ensure", "--replace")
		stack.Eventually(t, patience, func() error {
			if said := killed.Said(); !strings.Contains(said, step) {
				return errors.New("it said " + said)
			}
			return nil
		})
		killed.Kill()
		// Whoever only wants to be sure goes on with it.
		code, said := stack.RunCommand(t, config, "", "changefeed", "ensure")
		if code != 0 {
			t.Fatalf("killed at %q: exit code %d: %s", step, code, said)
		}
		found := callTiCDC(t, config, http.MethodGet, "", "")
		if found["state"] != "normal" || found["target_ts"] != nil {
			t.Errorf("killed at %q: the changefeed is %v, target_ts %v; it said %s", step, found["state"], found["target_ts"], said)
		}
	}
	endLoad()
	requireExactlyOnce(t, config, api, logins)
	requireState(t, api, "/health", http.StatusOK, `{"status":"healthy","database":"connected","kafka":true}`)
}

func TestAChangefeedThatFailedBehindTheGCBeginsAnewAndTheGapIsKnown(t *testing.T) {
	t.Parallel()
	config := stack.NewOwn(t, "DEVSTACK_GC_TTL=2s").Config()
	logins, api, endLoad := startGentleLoad(t, config)
	callTiCDC(t, config, http.MethodPost, "/pause", "")
	paused := time.Now()
	stack.Eventually(t, patience, func() error {
		if found := callTiCDC(t, config, http.MethodGet, "", ""); found["state"] != "failed" {
			return fmt.Errorf("it is %v", found["state"])
		}
		return nil
	})
	endLoad()
	for _, command := range []string{"ensure", "status"} {
		code, said := stack.RunCommand(t, config, "", "changefeed", command)
		if code != 1 || !strings.Contains(said, "failed") || !strings.Contains(said, "ErrGCTTLExceeded") {
			t.Errorf("%s: exit code %d: %s", command, code, said)
		}
	}
	if code, said := stack.RunCommand(t, config, "", "changefeed", "resume"); code != 2 || !strings.Contains(said, "helfy changefeed ensure --replace") {
		t.Errorf("resume: exit code %d: %s", code, said)
	}
	code, said := stack.RunCommand(t, config, "", "changefeed", "ensure", "--replace", "--json")
	var result struct {
		Done, State string
		Lost        struct{ From, To time.Time }
	}
	line := said[strings.LastIndex(strings.TrimSpace(said), "\n")+1:]
	if err := json.Unmarshal([]byte(line), &result); err != nil || code != 0 {
		t.Fatalf("exit code %d, %v: %s", code, err, said)
	}
	if result.Done != "replaced" || result.State != "normal" || result.Lost.From.After(paused) || result.Lost.To.Before(paused) {
		t.Errorf("it tells %s", line)
	}
	// Everything before and after is there; the gap is told wherever it matters.
	requireState(t, api, "/health", http.StatusOK, `"gaps":[{"from":"`+result.Lost.From.Format(time.RFC3339Nano))
	if len(logins.between(result.Lost.From, result.Lost.To)) == 0 {
		t.Error("no login was lost: the test proves nothing")
	}
	if code, said := stack.RunCommand(t, config, "", "changefeed", "status"); code != 0 {
		t.Errorf("exit code %d: %s", code, said)
	}
}
