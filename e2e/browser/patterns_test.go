//go:build browser

package browser_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/chromedp/chromedp/kb"

	"helfy/internal/browser"
	"helfy/internal/stack"
)

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
	tab.Until(`document.querySelector(".tip").textContent !== ` + browser.Quote(last))
	tab.Press(kb.Escape)
	tab.Until(`document.querySelector(".tip").hidden`)
	browser.Evaluate[bool](tab, `[...document.querySelectorAll("main button")].find(b => b.textContent === "As tables").click(), true`)
	tab.UntilText("main table", "Error rate")
	tab.Until(`!document.querySelector("svg.plot") && document.querySelectorAll("main table").length === 2`)
	browser.Evaluate[bool](tab, `[...document.querySelectorAll("main button")].find(b => b.textContent === "30 days").click(), true`)
	tab.UntilPath("/patterns?range=month")
	tab.Until(`document.querySelector("main table tbody").rows.length >= 30`)
}
