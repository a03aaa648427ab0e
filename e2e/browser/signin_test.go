//go:build browser

package browser_test

import (
	"testing"

	"helfy/internal/browser"
)

func TestSigningInByKeyboardAlone(t *testing.T) {
	s := newSite(t)
	tab := s.visit("/")
	tab.Until(`document.activeElement.name === "username"`)
	for _, keys := range []string{"admin", "\t", "admin", "\r"} {
		tab.Press(keys)
	}
	tab.UntilPath("/dashboard")
	tab.UntilText("#who", "admin")
}

func TestARefusalIsOneClearSentence(t *testing.T) {
	s := newSite(t)
	for _, name := range []string{"admin", "nobody"} {
		tab := s.visit("/")
		tab.Expect("status of 401")
		tab.SignIn(name, "wrong")
		tab.UntilText("[role=alert]", "wrong")
		if shown := tab.Count("[role=alert]:not([hidden])"); shown != 1 {
			t.Errorf("%d errors are shown", shown)
		}
		tab.SignIn("admin", "admin")
		tab.UntilPath("/dashboard")
	}
}

func TestASignedOutVisitorComesBackAfterSigningIn(t *testing.T) {
	s := newSite(t)
	for _, path := range []string{"/dashboard", "/trail?user=alice", "/patterns", "/users", "/me", "/projections"} {
		tab := s.visit(path)
		tab.Until(`location.pathname === "/"`)
		tab.SignIn("admin", "admin")
		tab.UntilPath(path)
	}
}

func TestSigningInLeadsNowhereElse(t *testing.T) {
	s := newSite(t)
	for _, next := range []string{"//example.org/", `/\example.org/`, "https://example.org/", "javascript:alert(1)", "%2F%2Fexample.org"} {
		tab := s.visit("/?next=" + next)
		tab.SignIn("admin", "admin")
		tab.Until(`location.pathname !== "/"`)
		if at := browser.Evaluate[string](tab, "location.href"); at != s.client.Base+"/dashboard" {
			t.Errorf("%s leads to %s", next, at)
		}
	}
}

func TestSigningOutEndsTheSession(t *testing.T) {
	s := newSite(t)
	tab := s.visitAs("admin", "/dashboard")
	tab.Expect("status of 401") // what was under way when the session ended
	tab.Click("#signout")
	tab.Until(`location.pathname === "/"`)
	tab.Open("/dashboard")
	tab.Until(`location.pathname === "/"`)
}

func TestANormalUserSeesOnlyItsOwn(t *testing.T) {
	s := newSite(t)
	s.login("admin")
	tab := s.visitAs("alice", "/dashboard")
	tab.UntilText("main", "127.0.0.1")
	if text := browser.Evaluate[string](tab, "document.querySelector('nav').innerText"); text != "Now\nMy account" {
		t.Errorf("the menu is %q", text)
	}
	tab.Expect("status of 403")
	for _, path := range []string{"/trail", "/transactions/1", "/patterns", "/users", "/projections"} {
		tab.Open(path)
		tab.UntilText("main", "This page is for administrators")
	}
}
