package service_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"helfy/app/command"
	"helfy/app/query"
	"helfy/domain"
	"helfy/internal/stack"
	"helfy/service"
)

// callTiCDC calls TiCDC's API about the configuration's changefeed.
func callTiCDC(t *testing.T, config service.Config, method, path string, body any) map[string]any {
	t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	request, err := http.NewRequestWithContext(t.Context(), method, config.TiCDCURL+"/api/v2/changefeeds"+path, bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("%s %s: %d %s, %v", method, path, response.StatusCode, answer, err)
	}
	return parse[map[string]any](t, answer)
}

// putInPlace replaces the changefeed by one with a changed definition, without
// helfy's knowledge.
func putInPlace(t *testing.T, config service.Config, change func(request map[string]any)) {
	t.Helper()
	found := callTiCDC(t, config, http.MethodGet, "/"+config.ChangefeedID, nil)
	stack.RemoveChangefeed(t.Context(), t, config)
	request := map[string]any{"changefeed_id": config.ChangefeedID, "sink_uri": found["sink_uri"], "replica_config": found["config"]}
	change(request)
	callTiCDC(t, config, http.MethodPost, "", request)
}

func TestAChangefeedThatSomebodyChangedIsTold(t *testing.T) {
	config := stack.New(t)
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	client, _ := stack.Run(t, config)
	token := login(t, client, "admin")
	health := func() string { return string(call(t, client, http.MethodGet, "/health", "", http.StatusOK)) }
	told := func(state string, differences ...string) {
		t.Helper()
		eventuallyStatus(t, client, token, "", func(s status) error {
			if s.Changefeed.State != state {
				return errors.New("want state " + state)
			}
			for _, difference := range differences {
				if !strings.Contains(fmt.Sprint(s.Changefeed.Differences, s.Changefeed.Error), difference) {
					return errors.New("want it to tell of " + difference)
				}
			}
			return nil
		})
		if got, want := health(), `"changefeed":{"state":"`+state+`"`; strings.Contains(got, want) == (state == "normal") {
			t.Errorf("health is %s", got)
		}
	}
	told("normal")
	if got := health(); got != `{"status":"healthy","database":"connected","kafka":true}`+"\n" {
		t.Errorf("health is %s", got)
	}
	callTiCDC(t, config, http.MethodPost, "/"+config.ChangefeedID+"/pause", nil)
	told("stopped")
	callTiCDC(t, config, http.MethodPost, "/"+config.ChangefeedID+"/resume", struct{}{})
	told("normal")
	putInPlace(t, config, func(request map[string]any) {
		filter := request["replica_config"].(map[string]any)["filter"].(map[string]any)
		filter["rules"] = []string{config.TiDBDatabase + ".users"}
	})
	told("differs", "config.filter.rules", "somebody has put another changefeed in its place")
	stack.RemoveChangefeed(t.Context(), t, config)
	told("removed", "somebody has removed it")
	if _, _, err := config.EnsureChangefeed(t.Context()); err != nil {
		t.Fatal(err)
	}
	told("normal")
}

// replacing asks for a changefeed as it must be, and keeps what it is told.
func replacing(told *[]string) command.EnsureChangefeed {
	return command.EnsureChangefeed{Replace: true, Tell: func(format string, args ...any) {
		*told = append(*told, fmt.Sprintf(format, args...))
	}}
}

func TestAChangefeedThatDiffersIsChangedWithoutLosingAnything(t *testing.T) {
	for name, c := range map[string]struct {
		change func(request map[string]any)
		done   string
	}{
		"in place": {func(request map[string]any) {
			request["replica_config"].(map[string]any)["filter"].(map[string]any)["event_filters"] = []any{}
		}, "updated"},
		"by another one": {func(request map[string]any) {
			request["target_ts"] = tsoIn(time.Hour) // which an update cannot take away
		}, "replaced"},
	} {
		t.Run(name, func(t *testing.T) {
			config := stack.New(t)
			stack.AddUser(t, config, "admin", domain.RoleAdmin)
			client, _ := stack.Run(t, config)
			token := login(t, client, "admin")
			callTiCDC(t, config, http.MethodPost, "/"+config.ChangefeedID+"/pause", nil)
			request := map[string]any{"replica_config": callTiCDC(t, config, http.MethodGet, "/"+config.ChangefeedID, nil)["config"]}
			c.change(request)
			callTiCDC(t, config, http.MethodPut, "/"+config.ChangefeedID, request)
			callTiCDC(t, config, http.MethodPost, "/"+config.ChangefeedID+"/resume", struct{}{})
			if _, _, err := config.EnsureChangefeed(t.Context()); !errors.Is(err, command.ErrChangefeedDiffers) {
				t.Errorf("not asked to change it: %v", err)
			}
			before := callTiCDC(t, config, http.MethodGet, "/"+config.ChangefeedID, nil)
			if before["state"] != "normal" {
				t.Errorf("although nobody asked for a change it is %v", before["state"])
			}
			login(t, client, "admin")
			var told []string
			ensured, err := config.MakeChangefeed(t.Context(), replacing(&told))
			if err != nil || ensured.Done != c.done || ensured.Lost != nil || ensured.Changefeed.State != query.ChangefeedNormal {
				t.Fatalf("%+v, %v, told %q", ensured, err, told)
			}
			login(t, client, "admin")
			eventuallyEntries(t, client, token, 8)
			requireNoGap(t, client, token)
			told = nil
			if ensured, err := config.MakeChangefeed(t.Context(), replacing(&told)); err != nil || ensured.Done != "unchanged" || len(told) != 0 {
				t.Errorf("a second time: %+v, %v, told %q", ensured, err, told)
			}
		})
	}
}

func TestADefinitionThatTiCDCDoesNotAcceptLeavesTheOldOneRunning(t *testing.T) {
	config := stack.New(t)
	other := config
	other.KafkaPartitions = 99
	var told []string
	ensured, err := other.MakeChangefeed(t.Context(), replacing(&told))
	if err == nil || !strings.Contains(err.Error(), "ErrKafkaInvalidPartitionNum") || ensured.Done != "" {
		t.Errorf("%+v, %v, told %q", ensured, err, told)
	}
	if _, _, err := config.EnsureChangefeed(t.Context()); err != nil {
		t.Errorf("the old one: %v", err)
	}
}

func TestTwoWhoReplaceTheChangefeedTakeTurns(t *testing.T) {
	config := stack.New(t)
	callTiCDC(t, config, http.MethodPost, "/"+config.ChangefeedID+"/pause", nil)
	callTiCDC(t, config, http.MethodPut, "/"+config.ChangefeedID, map[string]any{"target_ts": tsoIn(time.Hour)})
	var both sync.WaitGroup
	var done [2]string
	for i := range done {
		both.Go(func() {
			var told []string
			ensured, err := config.MakeChangefeed(t.Context(), replacing(&told))
			if err != nil {
				t.Errorf("%v, told %q", err, told)
			}
			done[i] = ensured.Done
		})
	}
	both.Wait()
	slices.Sort(done[:])
	if done != [2]string{"replaced", "unchanged"} {
		t.Errorf("done are %q", done)
	}
}

func TestAPausedChangefeedGoesOnWhenItIsReplacedByItself(t *testing.T) {
	config := stack.New(t)
	if err := config.PauseChangefeed(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, _, err := config.EnsureChangefeed(t.Context())
	if !errors.Is(err, command.ErrChangefeedDiffers) || !strings.Contains(err.Error(), "helfy changefeed resume") {
		t.Errorf("got %v", err)
	}
	var told []string
	if ensured, err := config.MakeChangefeed(t.Context(), replacing(&told)); err != nil || ensured.Done != "resumed" {
		t.Errorf("%+v, %v, told %q", ensured, err, told)
	}
}

func TestAChangefeedThatHelfyRemovesGoesOnWhereItEnded(t *testing.T) {
	config := stack.New(t)
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	client, _ := stack.Run(t, config)
	if err := config.RemoveChangefeed(t.Context()); err != nil {
		t.Fatal(err)
	}
	if seen, err := config.ChangefeedStatus(t.Context()); err != nil || seen.State != query.ChangefeedRemoved {
		t.Errorf("%+v, %v", seen, err)
	}
	token := login(t, client, "admin")
	if created, _, err := config.EnsureChangefeed(t.Context()); err != nil || !created {
		t.Errorf("created %v, %v", created, err)
	}
	eventuallyEntries(t, client, token, 4)
	requireNoGap(t, client, token)
}

// tsoIn is a TSO of so long from now.
func tsoIn(after time.Duration) uint64 { return uint64(time.Now().Add(after).UnixMilli()) << 18 }
