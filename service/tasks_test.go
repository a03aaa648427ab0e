package service_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"helfy/internal/stack"
	"helfy/service"
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
	stack.AwaitWorker(t, config)
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
	eventuallyTask(t, config, "ended_at IS NOT NULL AND error LIKE 'given up%'")
	if all := listProjections(t, client, token).Rebuilds; len(all) != 0 {
		t.Errorf("it was begun: %+v", all)
	}
}

func TestARebuildThatConsumersGiveBackWhenTheyEndIsNotGivenUp(t *testing.T) {
	config, _, _, stop := newLog(t)
	stop()
	exec(t, config, `
		INSERT INTO tasks (id, kind, projection, asked_by, details, asked_at, expires_at, tries)
		VALUES ('a', 'rebuild', 'audit', 'admin', '{}', UTC_TIMESTAMP(6), UTC_TIMESTAMP(6), 4)`)
	// The rebuild cannot begin a generation while the live one is held.
	tx, err := stack.DB(t, config).BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.ExecContext(t.Context(), "SELECT * FROM projection_generations FOR UPDATE"); err != nil {
		t.Fatal(err)
	}
	_, stop = stack.Run(t, config)
	eventuallyTask(t, config, "tries = 5")
	stop()
	eventuallyTask(t, config, "tries = 4")
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	stack.Run(t, config)
	eventuallyTask(t, config, "ended_at IS NOT NULL AND error IS NULL")
	requireStates(t, config, "standby live")
}

// eventuallyTask waits until the task a meets a condition.
func eventuallyTask(t *testing.T, config service.Config, condition string) {
	t.Helper()
	stack.Eventually(t, wait, func() error {
		if scalar[int](t, config, "SELECT COUNT(*) FROM tasks WHERE id = 'a' AND "+condition) != 1 {
			return errors.New("the task does not meet " + condition)
		}
		return nil
	})
}
