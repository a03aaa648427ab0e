package browser

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"helfy/internal/stack"
)

// wait bounds every wait for a page. What is waited for comes within moments;
// a busy machine needs longer.
const wait = 30 * time.Second

// Tab is a page in a window with cookies of its own. Its methods fail the test
// when the page does not do what they ask for in time, so they must be called
// from the test's goroutine.
type Tab struct {
	t    testing.TB
	ctx  context.Context
	base string

	mu       sync.Mutex
	said     []string
	expected []string
}

// NewTab opens an empty page whose paths belong to base, http://host:port. The
// test fails at its end if the page has complained in its console of anything
// that was not expected.
func (b *Browser) NewTab(t testing.TB, base string) *Tab {
	t.Helper()
	ctx, end := chromedp.NewContext(b.ctx, chromedp.WithNewBrowserContext())
	tab := &Tab{t: t, ctx: ctx, base: base}
	if err := chromedp.Do(ctx); err != nil {
		end()
		t.Fatalf("open a tab: %v", err)
	}
	tab.Look(1280, 900, "light")
	messages := chromedp.Console(ctx)
	var listening sync.WaitGroup
	listening.Go(func() {
		for message, err := range messages {
			if err != nil {
				return // the tab has been closed
			}
			if message.Type == chromedp.ConsoleError || message.Type == chromedp.ConsoleWarning || message.IsException() {
				tab.hear(fmt.Sprintf("%s %s: %s", message.Type, message.URL, message.Text))
			}
		}
	})
	t.Cleanup(func() {
		if t.Failed() {
			tab.describe()
		}
		end()
		listening.Wait()
		if complaints := tab.complaints(); len(complaints) > 0 {
			t.Errorf("the page complained:\n%s", strings.Join(complaints, "\n"))
		}
	})
	return tab
}

func (p *Tab) hear(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.said = append(p.said, text)
}

// Expect lets the page complain in messages that contain one of the texts, such
// as "status of 401".
func (p *Tab) Expect(texts ...string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.expected = append(p.expected, texts...)
}

func (p *Tab) complaints() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(p.said), func(text string) bool {
		return slices.ContainsFunc(p.expected, func(expected string) bool { return strings.Contains(text, expected) })
	})
}

// describe logs what the page of a failed test shows.
func (p *Tab) describe() {
	ctx, cancel := context.WithTimeout(p.ctx, 5*time.Second)
	defer cancel()
	text, err := chromedp.Run(ctx, chromedp.Evaluate[string](`location.href + "\n" + document.body.innerText`))
	p.t.Logf("the page: %s %v", text, err)
}

// do runs steps in the page.
func (p *Tab) do(doing string, steps ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, wait)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		p.t.Fatalf("%s: %v", doing, err)
	}
}

// Open loads a path.
func (p *Tab) Open(path string) {
	p.t.Helper()
	p.do("open "+path, chromedp.Navigate(p.base+path))
}

// Reload loads the page again.
func (p *Tab) Reload() {
	p.t.Helper()
	p.do("reload", chromedp.Reload())
}

// Back goes back in the tab's history.
func (p *Tab) Back() {
	p.t.Helper()
	p.do("go back", chromedp.NavigateBack())
}

// Click clicks on the first element that a CSS selector finds, once it is
// visible.
func (p *Tab) Click(selector string) {
	p.t.Helper()
	p.do("click on "+selector, chromedp.Click(chromedp.CSS(selector), chromedp.NodeVisible))
}

// Trigger lets a script click on the first element that a CSS selector finds,
// for one that the page may put another in the place of at any moment: Click
// looks for it first, and then clicks where it was.
func (p *Tab) Trigger(selector string) {
	p.t.Helper()
	p.Until("(found => { found?.click(); return found; })(document.querySelector(" + Quote(selector+":not([disabled])") + "))")
}

// Fill types a text into a field in place of what is in it.
func (p *Tab) Fill(selector, text string) {
	p.t.Helper()
	field := chromedp.CSS(selector)
	p.do("find "+selector, chromedp.WaitVisible(field))
	Evaluate[bool](p, "(document.querySelector("+Quote(selector)+").select(), true)")
	p.do("fill "+selector, chromedp.SendKeys(field, text))
}

// Press presses keys, one after the other, where the focus is.
func (p *Tab) Press(keys string) {
	p.t.Helper()
	p.do(fmt.Sprintf("press %q", keys), chromedp.KeyEvent(keys))
}

// Until waits until a JavaScript expression is true, also across loads of
// pages.
func (p *Tab) Until(expression string) {
	p.t.Helper()
	stack.Eventually(p.t, wait, func() error {
		ok, err := evaluate[bool](p, "Boolean("+expression+")")
		if err == nil && !ok {
			err = errors.New("it is false")
		}
		if err != nil {
			err = fmt.Errorf("wait for %s: %w", expression, err)
		}
		return err
	})
}

// still is a promise that is kept once the page has not changed for a moment,
// true unless it says that it is busy.
const still = `new Promise((settle) => {
	let waiting;
	const begin = () => { clearTimeout(waiting); waiting = setTimeout(end, 300); };
	const changes = new MutationObserver(begin);
	const end = () => { changes.disconnect(); settle(!document.querySelector("[aria-busy=true], .skeleton")); };
	changes.observe(document, {subtree: true, childList: true, attributes: true});
	begin();
})`

// UntilStill waits until the page has loaded what it shows.
func (p *Tab) UntilStill() {
	p.t.Helper()
	for range 100 {
		if Evaluate[bool](p, still) {
			return
		}
	}
	p.t.Fatal("the page is busy for ever")
}

// UntilPath waits until the tab is at a path.
func (p *Tab) UntilPath(path string) {
	p.t.Helper()
	p.Until("location.pathname + location.search === " + Quote(path))
}

// UntilText waits until the first element that a CSS selector finds shows a
// text.
func (p *Tab) UntilText(selector, text string) {
	p.t.Helper()
	p.Until("document.querySelector(" + Quote(selector) + ")?.innerText.includes(" + Quote(text) + ")")
}

// Count returns how many elements a CSS selector finds.
func (p *Tab) Count(selector string) int {
	p.t.Helper()
	return Evaluate[int](p, "document.querySelectorAll("+Quote(selector)+").length")
}

// Evaluate returns the value of a JavaScript expression, that of a promise once
// it is there.
func Evaluate[T any](p *Tab, expression string) T {
	p.t.Helper()
	value, err := evaluate[T](p, expression)
	if err != nil {
		p.t.Fatalf("evaluate %s: %v", expression, err)
	}
	return value
}

func evaluate[T any](p *Tab, expression string) (T, error) {
	ctx, cancel := context.WithTimeout(p.ctx, wait)
	defer cancel()
	return chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
}

// Quote returns a text as a literal of JavaScript and of JSON.
func Quote(text string) string {
	literal, _ := json.Marshal(text) // a string can always be marshalled
	return string(literal)
}

// Look sets the size of the window in CSS pixels and the colour scheme, light
// or dark.
func (p *Tab) Look(width, height int64, scheme string) {
	p.t.Helper()
	p.do("resize", chromedp.EmulateViewport(width, height))
	_, err := chromedp.Call(p.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{
			{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"},
		},
	})
	if err != nil {
		p.t.Fatalf("set the colour scheme: %v", err)
	}
}

// Screenshot writes the whole page into a PNG file, or only what of it is in
// the window.
func (p *Tab) Screenshot(path string, whole bool) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, wait)
	defer cancel()
	take := chromedp.CaptureScreenshot()
	if whole {
		take = chromedp.FullScreenshot(100)
	}
	picture, err := chromedp.Run(ctx, take)
	if err == nil {
		err = os.WriteFile(path, picture, 0o600)
	}
	if err != nil {
		p.t.Fatalf("take a screenshot: %v", err)
	}
}
