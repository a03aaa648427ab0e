//go:build browser

package browser_test

import (
	"testing"

	"helfy/internal/browser"
	"helfy/internal/stack"
)

func TestWhatIsShownIsCalledOldWhileTiDBIsAway(t *testing.T) {
	own := stack.NewOwn(t)
	s := newSiteOf(t, own.Config())
	tabs := map[string]*browser.Tab{"/dashboard": s.visitAs("admin", "/dashboard"), "/trail": s.openTrail(""), "/projections": s.visitAs("admin", "/projections")}
	for _, tab := range tabs {
		tab.Expect("status of 503", "ERR_")
	}
	const age = `parseFloat(document.querySelector("[data-told-at]").textContent)`
	for _, path := range []string{"/dashboard", "/trail"} {
		tabs[path].UntilText("main .badge", "Live")
		tabs[path].Until(age + " < 5")
	}

	own.Ctl("kill", "tidb")
	for path, tab := range tabs {
		tab.Until(`/Not up to date|Reconnecting/.test(document.querySelector("main .page-head .badge:not([hidden])")?.innerText)`)
		tab.UntilText("#banner", "A part of Helfy is away")
		if path != "/projections" {
			tab.Until(age + " > 10")
		}
	}

	tabs["/dashboard"].Until(`document.querySelector("main svg.spark") && document.querySelector("main a.tile")`) // what was read stays

	own.Ctl("start", "tidb")
	for path, tab := range tabs {
		tab.Until(`document.querySelector("#banner").hidden`)
		if path == "/projections" {
			tab.Until(`document.querySelector("main .page-head .badge").hidden`)
			continue
		}
		tab.UntilText("main .badge", "Live")
		tab.Until(age + " < 5")
	}
}
