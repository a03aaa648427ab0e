//go:build browser

package browser_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"helfy/internal/browser"
	"helfy/internal/stack"
)

func TestARebuildIsAskedForAndItsEndIsShown(t *testing.T) {
	s := newSite(t)
	tab := s.visitAs("admin", "/projections")
	tab.UntilText("main", "logins")
	tab.Trigger(`[data-action="rebuild logins"]`)
	tab.Click(`dialog input[value=verify]`)
	tab.Click(`dialog [type=submit]`)
	tab.UntilText("main", "equal, and thrown away as was asked")
	tab.Trigger(`[data-action="rebuild logins"]`)
	tab.Click(`dialog [type=submit]`)
	tab.UntilText("main", "equal, and live")
	tab.UntilText("main", "standby")
	tab.Trigger(`[data-action="rollback logins"]`)
	tab.UntilText("dialog", "Roll logins back?")
	press(tab, "dialog", "Roll back")
	tab.UntilText("#live", "Generation 1 of logins is live")
	source := axe(t)
	inEveryLook(tab, "/projections", func(name string) {
		tab.UntilText("main", "Generations of logins")
		requireAccessible(t, tab, source, name)
	})
}

func TestADeadLetterIsShownAndWaivedWithAReason(t *testing.T) {
	s := newSite(t)
	token := s.login("admin")
	offset := stack.Produce(t, s.config, s.config.EventsTopic, 1, `{"broken": `+evil)
	place := fmt.Sprintf("%s/1/%d", s.config.EventsTopic, offset)
	stack.Eventually(t, time.Minute, func() error {
		_, text, err := s.client.Do(t.Context(), "GET", "/api/deadletters", token, "")
		var answer struct{ DeadLetters []json.RawMessage }
		if err == nil {
			err = json.Unmarshal(text, &answer)
		}
		if err == nil && len(answer.DeadLetters) == 0 {
			err = errors.New("no dead letters")
		}
		return err
	})
	tab := s.visitAs("admin", "/projections")
	tab.UntilText("main", place)
	press(tab, "main", "Show")
	tab.UntilText("dialog .code", "onerror")
	if browser.Evaluate[bool](tab, `window.ran !== undefined || document.querySelector("dialog img") !== null`) {
		t.Error("the bytes of a dead letter have become markup")
	}
	browser.Evaluate[bool](tab, `document.querySelector("dialog").close(), true`)
	press(tab, "main", "Retry")
	tab.UntilText("#live", "Still not understood")
	press(tab, "main", "Waive")
	tab.Click("dialog [type=submit]")
	tab.UntilText("dialog .fault", "Reason is needed")
	tab.Fill("dialog input[name=reason]", "written by a test")
	tab.Click("dialog [type=submit]")
	tab.UntilText("#live", "is waived")
	tab.Until(`[...document.querySelectorAll("main button")].filter(b => b.firstChild.textContent === "Waive").length === 1`)
	browser.Evaluate[bool](tab, `(() => { const s = document.querySelector("select[name=state]"); s.value = "waived"; s.dispatchEvent(new Event("change")); return true; })()`)
	tab.Until(`[...document.querySelectorAll("main button")].every(b => b.firstChild.textContent !== "Waive")`)
	press(tab, "main", "Show")
	tab.UntilText("dialog", "written by a test")
}
