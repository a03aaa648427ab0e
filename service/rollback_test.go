package service_test

import (
	"errors"
	"testing"
	"time"

	"helfy/app/projection"
	"helfy/internal/stack"
)

func TestARollbackGivesBackWhatWasLiveBefore(t *testing.T) {
	config, client, token, _ := newLog(t)
	if _, err := config.Rollback(t.Context(), projection.AuditName); !errors.Is(err, projection.ErrNoGeneration) {
		t.Errorf("without a generation: %v", err)
	}
	mustRebuild(t, config, projection.RebuildOptions{})
	for _, want := range []int{1, 2, 1} {
		login(t, client, "admin")
		before := wholeLog(t, client, token)
		if got, err := config.Rollback(t.Context(), projection.AuditName); err != nil || got != want {
			t.Errorf("rolled back to %d, %v, want %d", got, err, want)
		}
		if after := wholeLog(t, client, token); len(after) != len(before) {
			t.Errorf("%d entries became %d in generation %d", len(before), len(after), want)
		}
	}
}

// A generation that was built has read further than the consumers, by a
// little: a rollback waits for them.
func TestARollbackWaitsUntilItLosesNothing(t *testing.T) {
	config, _, token, stop := newLog(t)
	mustRebuild(t, config, projection.RebuildOptions{})
	stop()
	exec(t, config, "UPDATE projection_generations SET complete_through = complete_through + (2000 << 18) WHERE projection = 'audit' AND state = 'live'")
	ended := make(chan error, 1)
	go func() { ended <- second(config.Rollback(t.Context(), projection.AuditName)) }()
	select {
	case err := <-ended:
		t.Errorf("it ended without any consumer: %v", err)
	case <-time.After(500 * time.Millisecond):
	}
	client, _ := stack.Run(t, config)
	if err := <-ended; err != nil {
		t.Error(err)
	}
	requireStates(t, config, "live standby")
	wholeLog(t, client, token)
}
