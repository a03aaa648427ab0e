package e2e

import (
	"fmt"
	"testing"
	"time"

	"helfy/internal/stack"
	"helfy/service"
)

// requireExactlyOnce waits until the audit log is complete and holds it up
// against what the clients were told and what the database has: each login is
// there once, explained by its event, every chain is whole, and verification
// has found nothing.
func requireExactlyOnce(t *testing.T, config service.Config, api *stack.Client, seen *load) {
	t.Helper()
	requireEachOnce(t, config, api, seen)
	requireStatistics(t, config, api)
}

// requireEachOnce is requireExactlyOnce without the statistics.
func requireEachOnce(t *testing.T, config service.Config, api *stack.Client, seen *load) {
	t.Helper()
	since := time.Now()
	entries := settledAudit(t, api)
	t.Logf("answers %v; the log is complete %s after the load, with %d entries",
		kinds(seen.answers), time.Since(since).Round(time.Millisecond), len(entries))
	log := indexEntries(t, entries)
	for _, answer := range seen.answers {
		if answer.kind != "200" {
			continue
		}
		change, ok := log.changeOfToken[answer.token]
		if !ok {
			t.Errorf("a login of %s that was answered 200 has no change in the log", answer.name)
			continue
		}
		if *change.Username != answer.name {
			t.Errorf("the change of a login of %s is of %s", answer.name, *change.Username)
		}
	}
	for _, change := range log.changes {
		log.requireExplained(t, change)
	}
	requireSameAsDatabase(t, config, log)
	faults, err := stack.CheckChains(t.Context(), stack.DB(t, config), config.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	for _, fault := range faults {
		t.Error(fault)
	}
	stack.RequireNoFindings(t, config)
}

// requireStatistics holds the login statistics against the audit log.
func requireStatistics(t *testing.T, config service.Config, api *stack.Client) {
	t.Helper()
	stack.RequireStatisticsAsAudited(t, config, api, requireComplete(t, api))
}

// settledAudit returns the whole log once it is complete beyond now.
func settledAudit(t *testing.T, api *stack.Client) []stack.Entry {
	t.Helper()
	entries, err := api.WholeAudit(t.Context(), requireComplete(t, api))
	if err != nil {
		t.Fatal(err)
	}
	return entries
}

// requireComplete waits until the log is complete beyond now, and returns an
// administrator's token.
func requireComplete(t *testing.T, api *stack.Client) string {
	t.Helper()
	token, err := api.Login(t.Context(), "admin", "admin")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	stack.Eventually(t, patience, func() error {
		page, err := api.Audit(t.Context(), token, "?limit=1")
		if err != nil {
			return err
		}
		if page.CompleteThrough == nil || page.CompleteThrough.Before(now) {
			return fmt.Errorf("complete through %v, want %s", page.CompleteThrough, now)
		}
		return nil
	})
	return token
}
