//go:build browser

package browser_test

import (
	"testing"

	"helfy/internal/browser"
)

func TestPagesWithoutASessionAreAccessible(t *testing.T) {
	s := newSite(t)
	source := axe(t)
	tab := s.visit("/")
	tab.Expect("status of 401")
	inEveryLook(tab, "/", func(name string) {
		requireAccessible(t, tab, source, name)
		signIn(tab, "nobody", "wrong")
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
