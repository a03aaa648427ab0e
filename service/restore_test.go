package service_test

import (
	"fmt"
	"testing"

	"helfy/app/command"
	"helfy/domain"
	"helfy/internal/stack"
)

// Kafka has what the backup has not. The log gets it back, and where a chain
// went on from the backup is found, once.
func TestADatabaseThatIsRestoredFromABackupLosesNothingOfTheLogAndSaysWhereItWentOn(t *testing.T) {
	config := stack.New(t)
	admin := stack.AddUser(t, config, "admin", domain.RoleAdmin)
	stack.AddUser(t, config, "bob", domain.RoleUser)
	client, stop := stack.Run(t, config)
	login(t, client, "bob")
	token := login(t, client, "admin")
	eventuallyEntries(t, client, token, 8)
	restore := stack.Backup(t, config)
	login(t, client, "admin")
	token = login(t, client, "admin")
	eventuallyEntries(t, client, token, 12)
	stop()
	stack.RemoveChangefeed(t.Context(), t, config)
	restore()

	// As docs/operations.md has it: what Kafka has first, then the changefeed,
	// then logins.
	stack.Start(t, config, "consume")
	stack.Eventually(t, wait, func() error {
		if entries := scalar[int](t, config, "SELECT COUNT(*) FROM projection_audit_entries WHERE event_type IS NULL OR event_type <> 'AUDIT_READ'"); entries != 12 {
			return fmt.Errorf("%d entries, want 12", entries)
		}
		return nil
	})
	ensured, err := config.MakeChangefeed(t.Context(), command.EnsureChangefeed{FromNow: true, Tell: t.Logf})
	if err != nil || ensured.Done != "created" || ensured.Lost == nil {
		t.Fatalf("%+v, %v", ensured, err)
	}
	client = stack.Serve(t, config)
	login(t, client, "bob")
	login(t, client, "admin")
	token = login(t, client, "admin")
	eventuallyEntries(t, client, token, 18)
	findings := stack.VerifiedFindings(t, config)
	if len(findings) != 1 || findings[0].Kind != domain.ChainFork || findings[0].UserID != admin {
		t.Errorf("findings %+v, want a fork of the chain of user %d", findings, admin)
	}
	page, err := client.Audit(t.Context(), token, "")
	if err != nil || len(page.Gaps) != 1 {
		t.Errorf("gaps %+v, %v, want the time without a changefeed", page.Gaps, err)
	}
	requireOutcome(t, config, []string{"chain-fork"})
	// The outbox lacks the rows of the two logins since the backup, whose
	// sessions are gone.
	requireOutcome(t, config, []string{"chain-fork", "chain-gap", "chain-gap"}, "--from", "table")
}
