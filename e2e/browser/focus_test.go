//go:build browser

package browser_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/chromedp/chromedp/kb"

	"helfy/internal/browser"
	"helfy/internal/stack"
)

// hold puts the focus on an element, and keeps it in window.held.
func hold(tab *browser.Tab, element string) {
	tab.Until("(window.held = " + element + ")")
	tab.Until(`(window.held.focus(), document.activeElement === window.held)`)
}

// action returns the script that finds an element by its data-action.
func action(name string) string {
	return fmt.Sprintf("document.querySelector(`[data-action=%s]`)", browser.Quote(name))
}

func TestTheFocusStaysWhereItIsWhileNumbersChange(t *testing.T) {
	s := newSite(t)
	tab := s.visitAs("admin", "/dashboard")
	tab.UntilText("main .badge", "Live")
	for element, change := range map[string]func(){
		`document.querySelector("main a.tile")`:                        func() { s.login("alice") },
		`document.querySelector("main .facts a[href='/trail']")`:       func() {}, // each second
		`document.querySelector("main .facts a[href='/projections']")`: func() { stack.Produce(t, s.config, s.config.EventsTopic, 1, `{"broken": `) },
	} {
		hold(tab, element)
		was := browser.Evaluate[string](tab, "window.held.innerText")
		change()
		tab.Until(element + ".innerText !== " + browser.Quote(was))
		if !browser.Evaluate[bool](tab, "document.activeElement === window.held") {
			t.Errorf("%s has lost the focus", element)
		}
	}
}

func TestTheFocusComesBackToTheButtonOfWhatWasChanged(t *testing.T) {
	s := newSite(t)
	admin := s.visitAs("admin", "/users?user=alice")
	admin.UntilText("main table", "alice")
	hold(admin, `document.querySelector("main table button")`)
	name := browser.Evaluate[string](admin, "window.held.dataset.action")
	admin.Press(kb.Enter)
	press(admin, "dialog[open]", "Disable")
	admin.UntilText("main table", "disabled")
	admin.Until(fmt.Sprintf("!window.held.isConnected && document.activeElement === %s", action(name)))
	// With its row gone it stays at the list.
	admin.Press(kb.Enter)
	press(admin, "dialog[open]", "Delete")
	admin.Until(`document.querySelectorAll("dialog[open]").length === 2`)
	press(admin, "dialog[open]:last-of-type", "Delete")
	admin.UntilText("main", "Nobody has this name")
	admin.Until(`document.activeElement !== document.body && document.querySelector("main").contains(document.activeElement)`)
}

func TestTheFocusStaysAtTheListWhenASessionIsSignedOut(t *testing.T) {
	s := newSite(t)
	s.login("alice")
	tab := s.visitAs("alice", "/me")
	other := `[...document.querySelectorAll("main tr")].find(r => r.querySelector("[data-action^=end]") && !r.innerText.includes("this one"))?.querySelector("button")`
	hold(tab, other)
	tab.Press(kb.Enter)
	tab.UntilText("#live", "signed out")
	tab.Until("!window.held.isConnected && document.activeElement.ariaLabel === 'My sessions'")
}

func TestWhatIsUnfoldedStaysSoWhileAProjectionIsWatched(t *testing.T) {
	s := newSite(t)
	token := s.login("admin")
	s.lastCommit(token, "admin", "")
	stack.Eventually(t, time.Minute, func() error {
		result, err := stack.DB(t, s.config).ExecContext(t.Context(), "UPDATE projection_login_counts SET count = count + 5 WHERE measure = 'logins'")
		if err != nil {
			return err
		}
		changed, err := result.RowsAffected()
		if err == nil && changed == 0 {
			err = errors.New("no login is counted")
		}
		return err
	})
	tab := s.visitAs("admin", "/projections")
	rebuild := action("rebuild logins")
	hold(tab, rebuild)
	tab.Press(kb.Enter)
	tab.Until("!window.held.isConnected") // it is drawn anew below the dialog
	tab.Press(kb.Escape)
	tab.Until("document.activeElement === " + rebuild)
	tab.Press(kb.Enter)
	tab.Click(`dialog [type=submit]`)
	tab.UntilText("main", "differs from the live one")
	summary := `document.querySelector("main details > summary")`
	hold(tab, summary)
	tab.Press(kb.Enter)
	tab.Until(summary + ".parentElement.open")
	for range 2 { // what is told of the projection has changed, and is shown anew
		tab.Until("!window.held.isConnected && (window.held = " + summary + ")")
		if !browser.Evaluate[bool](tab, "window.held.parentElement.open && document.activeElement === window.held") {
			t.Fatal("it is folded again, or has lost the focus")
		}
	}
}

func TestTheMenuOfAPhoneKeepsTheFocusFromWhatItHides(t *testing.T) {
	s := newSite(t)
	tab := s.visitAs("admin", "/dashboard")
	tab.Look(390, 844, "light")
	tab.UntilText("main .badge", "Live")
	hold(tab, `document.getElementById("menu")`)
	tab.Press(kb.Enter)
	tab.Until(`document.getElementById("side").classList.contains("open")`)
	seen := map[string]bool{}
	for range 20 {
		tab.Press(kb.Tab)
		if at := browser.Evaluate[string](tab, `document.activeElement.closest("main") ? "main" : document.activeElement.closest("aside, header")?.tagName ?? ""`); at == "main" {
			t.Fatal("the focus is below the menu")
		} else {
			seen[at] = true
		}
	}
	if !seen["ASIDE"] {
		t.Errorf("the focus was in %v", seen)
	}
	tab.Press(kb.Escape)
	tab.Until(`document.activeElement.id === "menu" && !document.querySelector("main").inert`)
	tab.Press(kb.Enter)
	tab.Until(`document.querySelector("main").inert`)
	tab.Look(1280, 844, "light") // where it lies over nothing
	tab.Until(`!document.querySelector("main").inert`)
}

func TestEnterReadsTheTrailOnce(t *testing.T) {
	s := newSite(t)
	s.login("alice")
	tab := s.openTrail("")
	tab.UntilText("tbody", "admin")
	browser.Evaluate[bool](tab, `(() => {
		window.asked = [];
		const ask = window.fetch, Source = window.EventSource;
		window.fetch = (address, ...rest) => { asked.push(String(address)); return ask(address, ...rest); };
		window.EventSource = class extends Source { constructor(address) { asked.push(String(address)); super(address); } };
		return true;
	})()`)
	for _, step := range []struct{ text, path string }{{"alice", "/trail?user=alice"}, {"", "/trail"}} {
		tab.Fill("input[name=user]", step.text)
		if step.text == "" {
			tab.Press(kb.Backspace)
		}
		browser.Evaluate[bool](tab, "(window.asked = [], true)")
		tab.Press(kb.Enter)
		tab.UntilPath(step.path)
		tab.UntilStill()
		got := browser.Evaluate[[]string](tab, `asked.map(address => new URL(address, location.origin).pathname).filter(path => path === "/api/audit" || path === "/api/audit/stream")`)
		if len(got) != 2 {
			t.Errorf("Enter has asked for %v at %s, want the log and the stream once", got, step.path)
		}
	}
	tab.Fill("input[name=user]", "alice")
	tab.Press(kb.Enter)
	tab.UntilPath("/trail?user=alice")
	tab.UntilStill()
	// The cross does without Enter.
	browser.Evaluate[bool](tab, `(() => { const input = document.querySelector("input[name=user]"); input.value = ""; input.dispatchEvent(new Event("search", {bubbles: true})); return true; })()`)
	tab.UntilPath("/trail")
}
