//go:build browser

package browser_test

import (
	"testing"

	"helfy/internal/browser"
	"helfy/internal/stack"
)

func TestATransactionShowsItsEventsChangesChainAndMessages(t *testing.T) {
	s := newSite(t)
	token := s.login("admin")
	s.login("alice")
	commitTs := s.lastCommit(token, "alice", "")
	tab := s.openTrail("?user=alice")
	tab.Trigger(row(commitTs) + " th a")
	tab.UntilPath("/transactions/" + commitTs)
	for _, text := range []string{"Signed in", "MAC valid", "UPDATE", "last_login_at", "token_hash", "committed after", s.config.EventsTopic, s.config.ChangesTopic, `"commitTs": ` + commitTs} {
		tab.UntilText("main", text)
	}
	if got := tab.Count("svg.journey[role=img][aria-label]"); got != 2 {
		t.Errorf("%d pictures of the way, want one for each entry", got)
	}
}

func TestATransactionThatIsNotThereIsLookedForAgainAndThenSaidToBeMissing(t *testing.T) {
	s := newSite(t)
	tab := s.visitAs("admin", "/me")
	tab.Expect("status of 404")
	tab.UntilText("main h1", "My account")
	// It is said for some seconds only, which a busy machine may not look at.
	browser.Evaluate[bool](tab, `new MutationObserver(() => { window.lookedAgain ||= document.querySelector("main").innerText.includes("looking again"); })
		.observe(document.querySelector("main"), {childList: true, subtree: true}), true`)
	follow(tab, "/transactions/1")
	tab.UntilText("main", "There is no such transaction")
	tab.Until("window.lookedAgain")
}

func TestATransactionOfManyChangesIsOneRowAndSaysHowManyThereAre(t *testing.T) {
	s := newSite(t)
	tab := s.openTrail("")
	db := stack.DB(t, s.config)
	if _, err := db.ExecContext(t.Context(), `INSERT INTO users (username, role, status, event_seq, event_hash, created_at, updated_at)
		SELECT CONCAT('u', a.n * 16 + b.n), 'user', 'active', 0, '', NOW(6), NOW(6) FROM (WITH RECURSIVE a (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM a WHERE n < 15) SELECT n FROM a) a,
		(WITH RECURSIVE b (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM b WHERE n < 15) SELECT n FROM b) b`); err != nil {
		t.Fatal(err)
	}
	tab.UntilText("tr.found", "and 250 more")
	if got := tab.Count("tr.found"); got != 1 {
		t.Errorf("%d rows for one transaction", got)
	}
	tab.Reload()
	tab.UntilText("tr.found", "and 250 more")
	tab.Trigger("tr.found th a")
	tab.UntilText("main", "Show 236 more")
}
