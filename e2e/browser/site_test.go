//go:build browser

package browser_test

import (
	"fmt"
	"testing"

	"helfy/domain"
	"helfy/internal/browser"
	"helfy/internal/stack"
	"helfy/service"
)

// site is a running service with the users admin and alice, whose passwords are
// their names, and a browser.
type site struct {
	t       *testing.T
	config  service.Config
	client  *stack.Client
	browser *browser.Browser
	stop    func()
}

func newSite(t *testing.T) *site {
	t.Helper()
	return newSiteOf(t, stack.New(t))
}

func newSiteOf(t *testing.T, config service.Config) *site {
	t.Helper()
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	stack.AddUser(t, config, "alice", domain.RoleUser)
	config.Port = stack.FreePort(t) // so that a second process can take the place of the first
	s := &site{t: t, config: config, browser: browser.Start(t)}
	s.client, s.stop = stack.Run(t, config)
	return s
}

// visit opens a tab that nobody is signed in to.
func (s *site) visit(path string) *browser.Tab {
	s.t.Helper()
	tab := s.browser.NewTab(s.t, s.client.Base)
	tab.Open(path)
	return tab
}

// visitAs opens a tab that somebody has signed in to.
func (s *site) visitAs(name, path string) *browser.Tab {
	s.t.Helper()
	tab := s.visit("/")
	tab.SignIn(name, name)
	tab.UntilPath("/dashboard")
	tab.Open(path)
	return tab
}

// widths are those of a phone and of a desk, in CSS pixels.
var widths = []int64{390, 1440}

// inEveryLook opens a path on a phone and on a desk, light and dark, and calls
// look once the page has all that it shows. name tells the page and the look.
func inEveryLook(tab *browser.Tab, path string, look func(name string)) {
	for _, scheme := range []string{"light", "dark"} {
		for _, width := range widths {
			tab.Look(width, 900, scheme)
			tab.Open(path)
			tab.Until(`document.querySelector("main h1")`)
			tab.UntilStill()
			look(fmt.Sprintf("%s %d %s", path, width, scheme))
		}
	}
}

// press clicks on a button by its text, the first within a selector.
func press(tab *browser.Tab, within, text string) {
	find := fmt.Sprintf(`[...document.querySelectorAll(%s)].flatMap(e => [...e.querySelectorAll("button")]).find(b => b.firstChild?.textContent === %s && !b.disabled)`, browser.Quote(within), browser.Quote(text))
	tab.Until(find)
	browser.Evaluate[bool](tab, find+`.click(), true`)
}

// follow goes to a path as a link does, without loading the document anew.
func follow(tab *browser.Tab, path string) {
	browser.Evaluate[bool](tab, fmt.Sprintf(`(() => { const a = document.createElement("a"); a.href = %s; document.body.append(a); a.click(); a.remove(); return true; })()`, browser.Quote(path)))
}

// login signs somebody in as a program does, and returns the token.
func (s *site) login(name string) string {
	s.t.Helper()
	token, err := s.client.Login(s.t.Context(), name, name)
	if err != nil {
		s.t.Fatal(err)
	}
	return token
}
