package e2e

import (
	"errors"
	"net/http"
	"testing"

	"helfy/domain"
	"helfy/internal/stack"
)

func TestARebuildWhoseConsumerIsKilledIsGoneOnWithByTheNextOne(t *testing.T) {
	config := stack.New(t)
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	api := stack.NewClient(stack.Start(t, config, "serve").Address(t))
	consumer := stack.Start(t, config, "consume")
	token := requireComplete(t, api)

	// The rebuild cannot begin a generation while the live one is held.
	db := stack.DB(t, config)
	tx, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	var live int
	const hold = "SELECT generation FROM projection_generations WHERE projection = 'logins' FOR UPDATE"
	if err := tx.QueryRowContext(t.Context(), hold).Scan(&live); err != nil {
		t.Fatal(err)
	}
	response, body, err := api.Do(t.Context(), http.MethodPost, "/api/projections/logins/rebuild", token, "{}")
	if err != nil || response.StatusCode != http.StatusAccepted {
		t.Fatalf("%v: %s, %v", response, body, err)
	}
	consumer.Kill()
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	stack.Start(t, config, "consume")
	var tries int
	stack.Eventually(t, patience, func() error {
		var ended bool
		var trouble string
		err := db.QueryRowContext(t.Context(), "SELECT ended_at IS NOT NULL, COALESCE(error, ''), tries FROM tasks").Scan(&ended, &trouble, &tries)
		if err == nil && !ended {
			err = errors.New("the task has not ended")
		}
		if trouble != "" {
			t.Fatal(trouble)
		}
		return err
	})
	if tries != 2 {
		t.Errorf("the task was taken up %d times, want 2", tries)
	}
	var states string
	const list = "SELECT GROUP_CONCAT(state ORDER BY generation) FROM projection_generations WHERE projection = 'logins'"
	if err := db.QueryRowContext(t.Context(), list).Scan(&states); err != nil || states != "standby,live" {
		t.Errorf("the generations are %s, %v", states, err)
	}
}
