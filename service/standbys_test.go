package service_test

import (
	"errors"
	"fmt"
	"testing"

	"helfy/adapters/tidb"
	"helfy/app/findings"
	"helfy/app/projection"
	"helfy/internal/stack"
)

func TestTheFindingsOfAStandbyAreKeptUpToDate(t *testing.T) {
	config, client, token, _ := newLog(t)
	mustRebuild(t, config, projection.RebuildOptions{})
	exec(t, config, "UPDATE users SET status = 'disabled' WHERE username = 'nobody'")
	login(t, client, "admin")
	eventuallyComplete(t, client, token)
	verified := func(state string) (through uint64) {
		err := stack.DB(t, config).QueryRowContext(t.Context(), `
			SELECT v.verified_through FROM projection_audit_verification v JOIN projection_generations g USING (generation)
			WHERE g.projection = 'audit' AND g.state = ?`, state).Scan(&through)
		if err != nil {
			t.Fatal(err)
		}
		return through
	}
	now := verified("live")
	stack.Eventually(t, wait, func() error {
		if got := verified("standby"); got < now {
			return fmt.Errorf("the standby is verified through %d, want %d", got, now)
		}
		return nil
	})
}

// Verification and prune at once must not leave rows of what is gone.
func TestNothingIsLeftOfAGenerationThatIsVerifiedWhileItIsPruned(t *testing.T) {
	config, _, _, stop := newLog(t)
	keyring := keyringOf(t, config)
	mustRebuild(t, config, projection.RebuildOptions{})
	stop()
	db := stack.DB(t, config)
	verification := tidb.NewVerification(db, tidb.NewAuditLog(db, config.ChangesTopic, config.EventsTopic).Of(1))
	judging, goOn := make(chan struct{}), make(chan struct{})
	exec(t, config, "UPDATE projection_audit_verification SET verified_through = 0, pass = pass + 1 WHERE generation = 1")
	advanced, pruned := make(chan error, 1), make(chan error, 1)
	go func() {
		first := true
		_, err := verification.Advance(t.Context(), func(chunk findings.Chunk) findings.Verdict {
			if first {
				first = false
				close(judging)
				<-goOn
			}
			return findings.Judge(keyring, chunk)
		})
		advanced <- err
	}()
	<-judging
	go func() { pruned <- second(config.Prune(t.Context(), projection.AuditName)) }()
	stack.Eventually(t, wait, func() error {
		if got := states(t, config); got != "retired live" {
			return errors.New(got)
		}
		return nil
	})
	close(goOn)
	if err := errors.Join(<-advanced, <-pruned); err != nil {
		t.Error(err)
	}
	if _, err := verification.Advance(t.Context(), func(findings.Chunk) findings.Verdict { return findings.Verdict{} }); err != nil {
		t.Error(err)
	}
	requireGone(t, config, 1)
}
