package service_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"helfy/app/command"
	"helfy/domain"
	"helfy/internal/stack"
)

// requireNoGap fails the test if the log tells of a gap.
func requireNoGap(t *testing.T, client *stack.Client, token string) {
	t.Helper()
	page, err := client.Audit(t.Context(), token, "")
	if err != nil || len(page.Gaps) != 0 {
		t.Errorf("gaps %+v, %v", page.Gaps, err)
	}
}

func TestAChangefeedThatIsMadeAnewGoesOnWhereTheLastOneEnded(t *testing.T) {
	config := stack.New(t)
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	client, _ := stack.Run(t, config)
	token := login(t, client, "admin")
	stack.RemoveChangefeed(t.Context(), t, config)
	login(t, client, "admin")
	if created, _, err := config.EnsureChangefeed(t.Context()); err != nil || !created {
		t.Fatalf("created %v, %v", created, err)
	}
	login(t, client, "admin")
	eventuallyEntries(t, client, token, 8)
	requireNoGap(t, client, token)
}

func TestAChangefeedThatIsMadeToBeginNowLeavesAGapThatIsNamed(t *testing.T) {
	config := stack.New(t)
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	client, _ := stack.Run(t, config)
	token := login(t, client, "admin")
	eventuallyEntries(t, client, token, 4)
	requireNoGap(t, client, token)

	stack.RemoveChangefeed(t.Context(), t, config)
	lost := login(t, client, "admin")
	lostAt := time.Now()
	ensured, err := config.MakeChangefeed(t.Context(), command.EnsureChangefeed{FromNow: true, Tell: t.Logf})
	if err != nil || ensured.Done != "created" || ensured.Lost == nil {
		t.Fatalf("%+v, %v", ensured, err)
	}
	page, err := client.Audit(t.Context(), token, "")
	if err != nil {
		t.Fatal(err)
	}
	if len(page.Gaps) != 1 || page.Gaps[0].From == nil || page.Gaps[0].From.After(lostAt) || page.Gaps[0].To.Before(lostAt.Add(-time.Millisecond)) {
		t.Fatalf("gaps are %+v, want one around %s", page.Gaps, lostAt)
	}
	stack.Eventually(t, wait, func() error {
		if health := string(call(t, client, "GET", "/health", "", 200)); !strings.Contains(health, `"gaps":[{"from":"`) {
			return errors.New(health)
		}
		return nil
	})
	// The login in the gap is in the database, and nowhere in the log.
	after := login(t, client, "admin")
	eventuallyAudit(t, client, after, func(entries []stack.Entry) error {
		newest := entries[0].New["token_hash"]
		if newest == nil || *newest != domain.HashToken(domain.NewSecret(after)) {
			return fmt.Errorf("newest is %+v", entries[0])
		}
		for _, entry := range entries {
			if hash := entry.New["token_hash"]; hash != nil && *hash == domain.HashToken(domain.NewSecret(lost)) {
				t.Errorf("the lost login is in the log: %+v", entry)
			}
		}
		return nil
	})
}

// Whoever puts a lost event back shows that it comes late.
func TestAnEventOfAGapThatIsSentLaterIsAReorder(t *testing.T) {
	config := stack.New(t)
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	client, _ := stack.Run(t, config)
	login(t, client, "admin")
	stack.RequireNoFindings(t, config)

	stack.RemoveChangefeed(t.Context(), t, config)
	login(t, client, "admin")
	exec(t, config, "CREATE TABLE kept LIKE outbox")
	exec(t, config, "INSERT INTO kept SELECT * FROM outbox ORDER BY seq DESC LIMIT 1")
	if _, err := config.MakeChangefeed(t.Context(), command.EnsureChangefeed{FromNow: true, Tell: t.Logf}); err != nil {
		t.Fatal(err)
	}
	login(t, client, "admin")
	found := stack.VerifiedFindings(t, config)
	if got := kinds(found)[1]; !slices.Contains(got, domain.ChainGap) || slices.Contains(got, domain.ChainReorder) {
		t.Errorf("with the gap: %v", details(found))
	}
	exec(t, config, "DELETE FROM outbox WHERE id = (SELECT id FROM kept)")
	exec(t, config, "INSERT INTO outbox SELECT * FROM kept")
	found = stack.VerifiedFindings(t, config)
	if got := kinds(found)[1]; !slices.Contains(got, domain.ChainReorder) || slices.Contains(got, domain.ChainFork) || slices.Contains(got, domain.BadMAC) {
		t.Errorf("once it is sent: %v", details(found))
	}
}

func TestAChangefeedMadeAfterTheFirstUserBeganLate(t *testing.T) {
	config := stack.New(t)
	stack.RemoveChangefeed(t.Context(), t, config)
	exec(t, config, "DELETE FROM changefeeds")
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	if _, _, err := config.EnsureChangefeed(t.Context()); err != nil {
		t.Fatal(err)
	}
	client := stack.Serve(t, config)
	page, err := client.Audit(t.Context(), login(t, client, "admin"), "")
	if err != nil || len(page.Gaps) != 1 || page.Gaps[0].From != nil {
		t.Errorf("gaps %+v, %v, want one without a beginning", page.Gaps, err)
	}
}
