package browser

import (
	"fmt"
	"time"
)

// SignIn fills the form of the sign-in, which the tab shows, and sends it.
func (p *Tab) SignIn(name, password string) {
	p.t.Helper()
	p.Fill("input[name=username]", name)
	p.Fill("input[name=password]", password)
	p.Click("form [type=submit]")
}

// NoteRows lets the trail, which the tab shows, keep when it has shown each
// transaction first.
func (p *Tab) NoteRows() {
	p.t.Helper()
	Evaluate[bool](p, `(() => {
		window.seen = {};
		const note = () => {
			for (const row of document.querySelectorAll("tr[data-commit-ts]")) window.seen[row.dataset.commitTs] ??= Date.now();
		};
		new MutationObserver(note).observe(document.body, {subtree: true, childList: true});
		return true;
	})()`)
}

// RowShown waits until the trail has shown a transaction since NoteRows, and
// returns when it has, to the millisecond.
func (p *Tab) RowShown(commitTs string) time.Time {
	p.t.Helper()
	seen := fmt.Sprintf("window.seen[%q]", commitTs)
	p.Until(seen)
	return time.UnixMilli(Evaluate[int64](p, seen))
}

// FirstPaint returns how long after the beginning of its load the document has
// shown anything of its content.
func (p *Tab) FirstPaint() time.Duration {
	p.t.Helper()
	const paints = `performance.getEntriesByName("first-contentful-paint")`
	p.Until(paints + ".length > 0")
	return time.Duration(Evaluate[float64](p, paints+"[0].startTime") * float64(time.Millisecond))
}
