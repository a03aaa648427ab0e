//go:build browser

package browser_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/chromedp/chromedp/kb"

	"helfy/internal/browser"
	"helfy/internal/stack"
)

// openTrail opens the trail as the administrator, when it is live.
func (s *site) openTrail(query string) *browser.Tab {
	s.t.Helper()
	tab := s.visitAs("admin", "/trail"+query)
	tab.Until(`document.querySelector("main .badge .dot.good") && !document.querySelector("main [aria-busy]")`)
	return tab
}

// lastCommit waits until the log has a login of a user that came after one,
// and returns its commitTs.
func (s *site) lastCommit(token, name, before string) (commitTs string) {
	s.t.Helper()
	stack.Eventually(s.t, time.Minute, func() error {
		page, err := s.client.Audit(s.t.Context(), token, "?limit=1&eventType=LOGIN_SUCCESS&user="+name)
		if err != nil {
			return err
		}
		if len(page.Entries) == 0 || page.Entries[0].CommitTs == before {
			return errors.New("the login is not in the log")
		}
		commitTs = page.Entries[0].CommitTs
		return nil
	})
	return commitTs
}

func row(commitTs string) string { return fmt.Sprintf("tr[data-commit-ts='%s']", commitTs) }

// shownCommits returns the rows of the page, from above.
func shownCommits(tab *browser.Tab) []string {
	return browser.Evaluate[[]string](tab, `[...document.querySelectorAll("tr[data-commit-ts]")].map(r => r.dataset.commitTs)`)
}

func TestALoginIsSeenAsOneRowWithoutAReload(t *testing.T) {
	s := newSite(t)
	tab := s.openTrail("")
	browser.Evaluate[bool](tab, "window.sameDocument = true")
	commitTs := s.lastCommit(s.login("admin"), "admin", "")
	tab.Until(fmt.Sprintf(`document.querySelector("%s")`, row(commitTs)))
	tab.UntilText(row(commitTs), "Signed in")
	tab.UntilText(row(commitTs), "last_login_at")
	tab.UntilText(row(commitTs), "127.0.0.1")
	if got := tab.Count(row(commitTs)); got != 1 {
		t.Errorf("%d rows for one transaction", got)
	}
	tab.Until("window.sameDocument")
}

func TestWaitingRowsAreCountedWhileTheTrailIsPaused(t *testing.T) {
	s := newSite(t)
	tab := s.openTrail("")
	before := shownCommits(tab)
	tab.Click("[data-action=pause]")
	s.login("alice")
	tab.UntilText("[data-action=pause]", "1 waiting")
	if got := shownCommits(tab); !slices.Equal(got, before) {
		t.Errorf("rows %v while paused, want %v", got, before)
	}
	tab.Click("[data-action=pause]")
	tab.Until(fmt.Sprintf(`document.querySelectorAll("tr[data-commit-ts]").length === %d`, len(before)+1))
	tab.UntilText("tr[data-commit-ts]", "alice")
}

func TestNewRowsDoNotMoveWhatIsRead(t *testing.T) {
	s := newSite(t)
	for range 40 {
		s.login("alice")
	}
	tab := s.openTrail("")
	tab.Until(`document.querySelectorAll("tr[data-commit-ts]").length > 40`)
	browser.Evaluate[bool](tab, `scrollTo(0, 900); true`)
	before := shownCommits(tab)
	top := browser.Evaluate[float64](tab, `document.querySelectorAll("tr[data-commit-ts]")[15].getBoundingClientRect().top`)
	s.login("alice")
	tab.UntilText(".newer", "1 new")
	if got := browser.Evaluate[float64](tab, `document.querySelectorAll("tr[data-commit-ts]")[15].getBoundingClientRect().top`); got != top {
		t.Errorf("the row has moved from %v to %v", top, got)
	}
	tab.Click(".newer")
	tab.Until(fmt.Sprintf(`document.querySelectorAll("tr[data-commit-ts]").length === %d && scrollY === 0`, len(before)+1))
}

func TestAFilterIsInTheAddressAndBackTakesItAway(t *testing.T) {
	s := newSite(t)
	s.login("alice")
	tab := s.openTrail("")
	tab.UntilText("tbody", "admin")
	tab.Fill("input[name=user]", "alice")
	tab.Click("form[role=search] [type=submit]")
	tab.UntilPath("/trail?user=alice")
	tab.Until(`document.querySelector("tr[data-commit-ts]") && [...document.querySelectorAll("tr[data-commit-ts]")].every(r => r.children[1].innerText.startsWith("alice"))`)
	s.login("admin")
	s.login("alice") // is told after admin's, if that were told
	tab.Until(`document.querySelectorAll("tr[data-commit-ts]").length === 3`)
	tab.Reload()
	tab.Until(`document.querySelector("input[name=user]")?.value === "alice" && document.querySelectorAll("tr[data-commit-ts]").length === 3`)
	tab.Back()
	tab.UntilPath("/trail")
	tab.Until(`document.querySelector("input[name=user]").value === "" && document.querySelectorAll("tr[data-commit-ts]").length > 5`)
}

func TestPagesBackHaveEveryTransactionOnce(t *testing.T) {
	s := newSite(t)
	token := s.login("admin")
	for i := range 120 {
		name := "alice"
		if i%40 == 0 {
			name = "nobody" // one entry only, so that a page of the API ends within a transaction
		}
		if _, err := s.client.Login(t.Context(), name, "alice"); err != nil && name == "alice" {
			t.Fatal(err)
		}
	}
	s.lastCommit(token, "alice", "")
	tab := s.openTrail("")
	var want []string
	stack.Eventually(t, time.Minute, func() error {
		entries, err := s.client.WholeAudit(t.Context(), token)
		want = nil
		for _, entry := range entries {
			want = append(want, entry.CommitTs)
		}
		if want = slices.Compact(want); err == nil && len(want) < 123 {
			err = fmt.Errorf("%d transactions", len(want))
		}
		return err
	})
	tab.Reload()
	var got []string
	pages := 0
	for {
		pages++
		tab.UntilText(".pager", map[bool]string{true: "Newest", false: fmt.Sprintf("Page %d", pages)}[pages == 1])
		got = append(got, shownCommits(tab)...)
		if rows := tab.Count("tr[data-commit-ts]"); rows > 250 {
			t.Errorf("page %d has %d rows", pages, rows)
		}
		if tab.Count(".pager button:last-child:not([disabled])") == 0 {
			break
		}
		tab.Click(".pager button:last-child")
	}
	if pages < 3 || !slices.Equal(got, want) {
		t.Errorf("%d pages with %d rows, want %d:\n%v\n%v", pages, len(got), len(want), got, want)
	}
	// Every login shows both its event and its change, also one that ends a page of the API.
	tab.Click(".pager button:first-child")
	tab.UntilText(".pager", fmt.Sprintf("Page %d", pages-1))
	if halves := browser.Evaluate[int](tab, `[...document.querySelectorAll("tr[data-commit-ts]")].filter(r =>
		r.innerText.includes("alice") && !(r.innerText.includes("UPDATE users") && r.querySelector("td .badge"))).length`); halves != 0 {
		t.Errorf("%d rows have only a half of their transaction", halves)
	}
}

func TestNothingIsMissedOverARestart(t *testing.T) {
	s := newSite(t)
	tab := s.openTrail("")
	tab.Expect("ERR_", "status of 503", "status of 502")
	s.stop()
	tab.UntilText("main", "Reconnecting")
	s.client, s.stop = stack.Run(t, s.config)
	token := s.login("admin")
	var last string
	for range 3 {
		s.login("alice")
		last = s.lastCommit(token, "alice", last)
	}
	tab.Until(fmt.Sprintf(`document.querySelector("%s")`, row(last)))
	entries, err := s.client.WholeAudit(t.Context(), token)
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, entry := range entries {
		want = append(want, entry.CommitTs)
	}
	want = slices.Compact(want)
	tab.Until(fmt.Sprintf(`document.querySelectorAll("tr[data-commit-ts]").length >= %d`, len(want)))
	if got := shownCommits(tab); !slices.Equal(got, want) {
		t.Errorf("rows %v, want %v", got, want)
	}
}

func TestATransactionShowsItsEventsChangesChainAndMessages(t *testing.T) {
	s := newSite(t)
	token := s.login("admin")
	s.login("alice")
	commitTs := s.lastCommit(token, "alice", "")
	tab := s.openTrail("?user=alice")
	tab.Click(row(commitTs) + " th a")
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
	tab := s.visitAs("admin", "/transactions/1")
	tab.Expect("status of 404")
	tab.UntilText("main", "looking again")
	tab.UntilText("main", "There is no such transaction")
}

// quoted returns a text as JSON.
func quoted(text string) string {
	literal, _ := json.Marshal(text) // a string can always be marshalled
	return string(literal)
}

// evil would run if any text became HTML.
const evil = `"><img src=x onerror=window.ran=1><svg onload=window.ran=1>`

func TestNoStoredTextBecomesMarkup(t *testing.T) {
	s := newSite(t)
	token := s.login("admin")
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.client.Base+"/api/login?x="+"%3Cb%3E", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("User-Agent", evil)
	if answer, err := http.DefaultClient.Do(request); err != nil {
		t.Fatal(err)
	} else if err := answer.Body.Close(); err != nil {
		t.Fatal(err)
	}
	db := stack.DB(t, s.config)
	for _, change := range []struct {
		statement string
		arguments []any
	}{
		{"UPDATE users SET username = ?, role = ? WHERE username = 'alice'", []any{evil, "<i>admin</i>"}},
		{`INSERT INTO outbox (id, aggregatetype, aggregateid, type, payload, metadata, seq, prev_hash, hash, key_id, occurred_at)
			VALUES (UUID(), '<b>', '7', '<img src=x onerror=ran=1>', ?, ?, 1, '<u>', '<u>', '<u>', UTC_TIMESTAMP(6))`,
			[]any{`{"username":` + quoted(evil) + `}`, `{"actor":` + quoted(evil) + `,"userAgent":` + quoted(evil) + `,"requestId":` + quoted(evil) + `,"sessionId":` + quoted(evil) + `}`}},
		{`INSERT INTO outbox (id, aggregatetype, aggregateid, type, payload, metadata, seq, prev_hash, hash, key_id, occurred_at)
			VALUES (UUID(), 'user', '1', 'LOGIN_FAILURE', ?, ?, 999, '', '', '', UTC_TIMESTAMP(6))`,
			[]any{`{"reason":` + quoted(evil) + `,"count":[` + quoted(evil) + `,2],"userId":1,"username":"admin"}`, `{"actor":` + quoted(evil) + `,"ip":"<b>"}`}},
	} {
		if _, err := db.ExecContext(t.Context(), change.statement, change.arguments...); err != nil {
			t.Fatal(err)
		}
	}
	var commits []string
	stack.Eventually(t, time.Minute, func() error {
		findings, err := s.client.Findings(t.Context(), token, "")
		if err != nil {
			return err
		}
		commits = nil
		for _, found := range findings.Findings {
			commits = append(commits, found.CommitTs)
		}
		slices.Sort(commits)
		if commits = slices.Compact(commits); len(commits) < 3 {
			return fmt.Errorf("findings in %d transactions", len(commits))
		}
		return nil
	})
	tab := s.openTrail("")
	tab.Expect("status of 422", "status of 400")
	harmless := func(where string) {
		t.Helper()
		tab.Until(`!document.querySelector("main [aria-busy]")`)
		if browser.Evaluate[bool](tab, `window.ran !== undefined || document.querySelector("main :is(img, script, iframe, i, b, u), main svg[onload]") !== null`) {
			t.Errorf("%s: a text has become markup", where)
		}
	}
	tab.UntilText("tbody", "onerror")
	harmless("/trail")
	for _, commitTs := range commits {
		tab.Open("/transactions/" + commitTs)
		tab.UntilText("main", "onerror")
		browser.Evaluate[bool](tab, `document.querySelectorAll("details").forEach(d => { d.open = true; }), true`)
		harmless("/transactions/" + commitTs)
	}
	for _, path := range []string{"/trail?findings=true", "/users", "/dashboard"} {
		tab.Open(path)
		tab.Until(`document.querySelector("main h1")`)
		harmless(path)
	}
	for _, name := range []string{"user", "userId", "eventType", "operation", "table", "source", "ip", "from", "to", "reads", "range", "findings", "kind"} {
		path := "/trail?" + name + "=" + "%22%3E%3Cimg%20src%3Dx%20onerror%3Dwindow.ran%3D1%3E"
		tab.Open(path)
		tab.Until(`document.querySelector("main h1")`)
		harmless(path)
	}
}

func TestFindingsStandOut(t *testing.T) {
	s := newSite(t)
	tab := s.openTrail("")
	if _, err := stack.DB(t, s.config).ExecContext(t.Context(), "UPDATE users SET role = 'admin' WHERE username = 'alice'"); err != nil {
		t.Fatal(err)
	}
	tab.UntilText("tr.found", "unattributed change")
	tab.UntilText("tr.found", "alice")
	tab.Open("/trail?findings=true")
	tab.UntilText("tbody", "unattributed change")
}

// pagesToCheck are the pages of this file that administrators have.
var pagesToCheck = []string{"/trail", "/trail?findings=true", "/trail?source=change&user=alice", "/trail?user=nobody", "/patterns", "/patterns?range=month"}

func TestPagesOfTheTrailAreAccessible(t *testing.T) {
	s := newSite(t)
	token := s.login("admin")
	s.login("alice")
	if _, err := stack.DB(t, s.config).ExecContext(t.Context(), "UPDATE users SET role = 'admin' WHERE username = 'alice'"); err != nil {
		t.Fatal(err)
	}
	var found string
	stack.Eventually(t, time.Minute, func() error {
		findings, err := s.client.Findings(t.Context(), token, "")
		if err == nil && len(findings.Findings) == 0 {
			err = errors.New("no findings")
		}
		if err == nil {
			found = findings.Findings[0].CommitTs
		}
		return err
	})
	source := axe(t)
	tab := s.visitAs("admin", "/trail")
	for _, path := range append(pagesToCheck, "/transactions/"+s.lastCommit(token, "alice", ""), "/transactions/"+found) {
		inEveryLook(tab, path, func(name string) {
			browser.Evaluate[bool](tab, `document.querySelectorAll("main details:not(.menu-button)").forEach(d => { d.open = true; }), true`) // the menu would lie over the filter
			requireAccessible(t, tab, source, name)
		})
	}
}

func TestPatternsCanBeWalkedThroughAndReadAsTables(t *testing.T) {
	s := newSite(t)
	token := s.login("admin")
	s.login("alice")
	stack.Eventually(t, time.Minute, func() error {
		statistics, err := s.client.Statistics(t.Context(), token, "")
		if err != nil {
			return err
		}
		logins := 0
		for _, bucket := range statistics.Buckets {
			logins += bucket.Logins
		}
		if logins < 2 {
			return fmt.Errorf("%d logins are counted", logins)
		}
		return nil
	})
	tab := s.visitAs("admin", "/patterns?range=day")
	tab.Until(`document.querySelectorAll("svg.plot").length === 3`)
	browser.Evaluate[bool](tab, `document.querySelector(".plot-box").focus(), true`)
	tab.Press(kb.End)
	tab.UntilText(".tip", "logins")
	last := browser.Evaluate[string](tab, `document.querySelector(".tip").textContent`)
	tab.Press(kb.ArrowLeft)
	tab.Until(`document.querySelector(".tip").textContent !== ` + quoted(last))
	tab.Press(kb.Escape)
	tab.Until(`document.querySelector(".tip").hidden`)
	browser.Evaluate[bool](tab, `[...document.querySelectorAll("main button")].find(b => b.textContent === "As tables").click(), true`)
	tab.UntilText("main table", "Error rate")
	tab.Until(`!document.querySelector("svg.plot") && document.querySelectorAll("main table").length === 2`)
	browser.Evaluate[bool](tab, `[...document.querySelectorAll("main button")].find(b => b.textContent === "30 days").click(), true`)
	tab.UntilPath("/patterns?range=month")
	tab.Until(`document.querySelector("main table tbody").rows.length >= 30`)
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
	tab.Click("tr.found th a")
	tab.UntilText("main", "Show 236 more")
}

func TestPagesOfAdministratorsTellUsersThatTheyAre(t *testing.T) {
	s := newSite(t)
	tab := s.visitAs("alice", "/trail")
	tab.Expect("status of 403")
	for _, path := range []string{"/trail", "/transactions/1", "/patterns", "/projections"} {
		tab.Open(path)
		tab.UntilText("main", "This page is for administrators")
	}
}
