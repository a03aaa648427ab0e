//go:build browser

package browser_test

import (
	"errors"
	"testing"
	"time"

	"helfy/internal/browser"
	"helfy/internal/stack"
)

func TestPagesWithoutASessionAreAccessible(t *testing.T) {
	s := newSite(t)
	source := axe(t)
	tab := s.visit("/")
	tab.Expect("status of 401")
	inEveryLook(tab, "/", func(name string) {
		requireAccessible(t, tab, source, name)
		tab.SignIn("nobody", "wrong")
		tab.UntilText("[role=alert]", "wrong")
		requireAccessible(t, tab, source, name+" refused")
	})
	for _, scheme := range []string{"light", "dark"} {
		tab.Look(390, 844, scheme)
		tab.Open("/docs")
		requireAccessible(t, tab, source, "/docs "+scheme)
	}
}

func TestPagesOfAnAccountAreAccessible(t *testing.T) {
	s := newSite(t)
	source := axe(t)
	for name, paths := range map[string][]string{"admin": {"/dashboard", "/me", "/users"}, "alice": {"/dashboard", "/me"}} {
		tab := s.visitAs(name, "/me")
		for _, path := range paths {
			inEveryLook(tab, path, func(look string) { requireAccessible(t, tab, source, name+" "+look) })
		}
	}
}

func TestDialogsOfUsersAreAccessible(t *testing.T) {
	s := newSite(t)
	source := axe(t)
	tab := s.visitAs("admin", "/users")
	for _, open := range []string{"New user", "Manage"} {
		inEveryLook(tab, "/users", func(look string) {
			press(tab, "main", open)
			tab.Until(`document.querySelector("dialog[open]")?.getAnimations().length === 0`)
			requireAccessible(t, tab, source, open+" "+look)
			browser.Evaluate[bool](tab, `(document.querySelector("dialog[open]").close(), true)`)
		})
	}
}

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
	for _, path := range []string{
		"/trail", "/trail?findings=true", "/trail?source=change&user=alice", "/trail?user=nobody", "/patterns", "/patterns?range=month",
		"/transactions/" + s.lastCommit(token, "alice", ""), "/transactions/" + found,
	} {
		inEveryLook(tab, path, func(name string) {
			browser.Evaluate[bool](tab, `document.querySelectorAll("main details:not(.menu-button)").forEach(d => { d.open = true; }), true`) // the menu would lie over the filter
			requireAccessible(t, tab, source, name)
		})
	}
}
