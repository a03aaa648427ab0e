package service_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"helfy/internal/stack"
)

func TestWithoutAConsumerNothingIsDoneAndThatIsSaid(t *testing.T) {
	config, _, token, stop := newLog(t)
	stop()
	serving := stack.Serve(t, config)
	for _, verb := range []string{"rebuild", "rollback"} {
		if verb == "rollback" {
			exec(t, config, "INSERT INTO projection_generations (projection, generation, state, began_at, live_since) SELECT projection, 9, 'standby', began_at, live_since FROM projection_generations WHERE projection = 'audit'")
		}
		answer := sendJSON(t, serving, http.MethodPost, "/api/projections/audit/"+verb, token, bodyOf(verb), http.StatusServiceUnavailable)
		if !strings.Contains(string(answer), "no consumer") {
			t.Errorf("%s: got %s", verb, answer)
		}
	}
	exec(t, config, "DELETE FROM projection_generations WHERE generation = 9")
	client, _ := stack.Run(t, config)
	sendJSON(t, client, http.MethodPost, "/api/projections/logins/rebuild", token, `{"verify":true}`, http.StatusAccepted)
	eventuallyRebuilt(t, client, token, "logins", "equal")
	if n := scalar[int](t, config, "SELECT COUNT(*) FROM tasks WHERE tries > 0"); n != 1 {
		t.Errorf("%d tasks were taken up, want 1: the others have expired", n)
	}
	requireStates(t, config, "live")
}

func TestARebuildThatKillsItsProcessIsGivenUp(t *testing.T) {
	config, client, token, _ := newLog(t)
	exec(t, config, `
		INSERT INTO tasks (id, kind, projection, asked_by, details, asked_at, expires_at, tries)
		VALUES ('a', 'rebuild', 'audit', 'admin', '{}', UTC_TIMESTAMP(6), UTC_TIMESTAMP(6), 5)`)
	stack.Eventually(t, wait, func() error {
		if scalar[int](t, config, "SELECT COUNT(*) FROM tasks WHERE id = 'a' AND ended_at IS NOT NULL AND error LIKE 'given up%'") != 1 {
			return errors.New("the task has not ended")
		}
		return nil
	})
	if all := listProjections(t, client, token).Rebuilds; len(all) != 0 {
		t.Errorf("it was begun: %+v", all)
	}
}
