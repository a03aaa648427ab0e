//go:build browser

package browser_test

import "testing"

func TestTheAPIsPageIsAccessible(t *testing.T) {
	s := newSite(t)
	tab := s.visit("/docs")
	source := axe(t)
	for _, scheme := range []string{"light", "dark"} {
		tab.Look(390, 844, scheme)
		tab.Reload()
		requireAccessible(t, tab, source, "/docs "+scheme)
	}
}
