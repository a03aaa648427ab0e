//go:build browser

package browser_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

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

// awaitRows waits until the page has so many rows, and returns them.
func awaitRows(tab *browser.Tab, count int) []string {
	tab.Until(fmt.Sprintf(`document.querySelectorAll("tr[data-commit-ts]").length === %d`, count))
	return shownCommits(tab)
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

// The fastest of five is what the page can do; the others tell how busy the
// machine is.
func TestARowIsPushedToThePageWithinASecondOfTheAnswerToALogin(t *testing.T) {
	s := newSite(t)
	tab := s.openTrail("")
	tab.NoteRows()
	token, before := s.login("admin"), ""
	var took []time.Duration
	for range 5 {
		s.login("alice")
		answered := time.Now()
		before = s.lastCommit(token, "alice", before)
		took = append(took, tab.RowShown(before).Sub(answered).Round(time.Millisecond))
	}
	t.Logf("from the answer to the row: %v", took)
	if fastest := slices.Min(took); fastest > time.Second {
		t.Errorf("the fastest row came after %s", fastest)
	}
}

func TestWaitingRowsAreCountedWhileTheTrailIsPaused(t *testing.T) {
	s := newSite(t)
	tab := s.openTrail("")
	before := awaitRows(tab, 3) // two users were made, and the tab has signed in
	tab.Click("[data-action=pause]")
	s.login("alice")
	tab.UntilText("[data-action=pause]", "1 waiting")
	if got := shownCommits(tab); !slices.Equal(got, before) {
		t.Errorf("rows %v while paused, want %v", got, before)
	}
	tab.Click("[data-action=pause]")
	awaitRows(tab, len(before)+1)
	tab.UntilText("tr[data-commit-ts]", "alice")
}

func TestNewRowsDoNotMoveWhatIsRead(t *testing.T) {
	s := newSite(t)
	for range 40 {
		s.login("alice")
	}
	tab := s.openTrail("")
	before := awaitRows(tab, 43) // and those of two new users and of the tab's own login
	browser.Evaluate[bool](tab, `scrollTo(0, 900); true`)
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
	awaitRows(tab, 3)
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
		if want = slices.Compact(want); err == nil && len(want) != 124 { // 120, two users, and two of the administrator
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
		tab.Trigger(".pager button:last-child")
	}
	if pages < 3 || !slices.Equal(got, want) {
		t.Errorf("%d pages with %d rows, want %d:\n%v\n%v", pages, len(got), len(want), got, want)
	}
	// Every login shows both its event and its change, also one that ends a page of the API.
	tab.Trigger(".pager button:first-child")
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
