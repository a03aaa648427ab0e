package service_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

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
	defer response.Body.Close()
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
