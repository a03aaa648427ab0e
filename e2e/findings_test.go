package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"helfy/internal/stack"
)

// handMade makes 500 users in one transaction, as somebody at a SQL shell
// does.
const handMade = `INSERT INTO users (username, role, status, event_seq, event_hash, created_at, updated_at)
	SELECT CONCAT('by-hand-', UUID()), 'admin', 'active', 0, '', NOW(6), NOW(6)
	FROM (WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500) SELECT i FROM n) numbers`

func TestConsumersThatAreKilledWhileTheyVerifyFindTheSame(t *testing.T) {
	t.Parallel()
	config := stack.NewOwn(t).Config()
	db := stack.DB(t, config)
	users := 0
	for range 9 { // several times what is verified at once
		if _, err := db.ExecContext(t.Context(), handMade); err != nil {
			t.Fatal(err)
		}
		users += 500
	}
	alone := stack.Start(t, config, "consume")
	want := stack.VerifiedFindings(t, config)
	if len(want) != users || !strings.HasPrefix(want[0].Detail, "event_seq did not advance: ") {
		t.Fatalf("%d findings, want %d, the first %+v", len(want), users, want[0])
	}
	alone.Kill()

	for _, statement := range []string{
		"DELETE FROM projection_audit_findings", "UPDATE projection_audit_verification SET pass = pass + 1, verified_through = 0, state = '{}'",
	} {
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	count := func() (found int) {
		if err := db.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM projection_audit_findings").Scan(&found); err != nil {
			t.Error(err)
		}
		return found
	}
	consumers := []*stack.Process{stack.Start(t, config, "consume"), stack.Start(t, config, "consume")}
	for kills := range 4 {
		before := count()
		stack.Eventually(t, patience, func() error {
			if found := count(); found == before && found < users {
				return fmt.Errorf("still %d findings", found)
			}
			return nil
		})
		consumers[kills%2].Kill()
		t.Logf("killed a consumer at %d of %d findings", count(), users)
		consumers[kills%2] = stack.Start(t, config, "consume")
	}
	if got := stack.VerifiedFindings(t, config); !slices.Equal(got, want) {
		t.Errorf("%d findings, or others than the %d of a consumer that was left alone", len(got), len(want))
	}
}
