//go:build browser

package browser_test

import (
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"helfy/internal/browser"
	"helfy/internal/stack"
)

// evil would run if any text became HTML.
const evil = `"><img src=x onerror=window.ran=1><svg onload=window.ran=1>`

func TestNoStoredTextBecomesMarkup(t *testing.T) {
	s := newSite(t)
	token := s.login("admin")
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.client.Base+"/api/login?x="+"%3Cb%3E", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("User-Agent", evil)
	if answer, err := http.DefaultClient.Do(request); err != nil {
		t.Fatal(err)
	} else if err := answer.Body.Close(); err != nil {
		t.Fatal(err)
	}
	db := stack.DB(t, s.config)
	for _, change := range []struct {
		statement string
		arguments []any
	}{
		{"UPDATE users SET username = ?, role = ? WHERE username = 'alice'", []any{evil, "<i>admin</i>"}},
		{`INSERT INTO outbox (id, aggregatetype, aggregateid, type, payload, metadata, seq, prev_hash, hash, key_id, occurred_at)
			VALUES (UUID(), '<b>', '7', '<img src=x onerror=ran=1>', ?, ?, 1, '<u>', '<u>', '<u>', UTC_TIMESTAMP(6))`,
			[]any{`{"username":` + browser.Quote(evil) + `}`, `{"actor":` + browser.Quote(evil) + `,"userAgent":` + browser.Quote(evil) + `,"requestId":` + browser.Quote(evil) + `,"sessionId":` + browser.Quote(evil) + `}`}},
		{`INSERT INTO outbox (id, aggregatetype, aggregateid, type, payload, metadata, seq, prev_hash, hash, key_id, occurred_at)
			VALUES (UUID(), 'user', '1', 'LOGIN_FAILURE', ?, ?, 999, '', '', '', UTC_TIMESTAMP(6))`,
			[]any{`{"reason":` + browser.Quote(evil) + `,"count":[` + browser.Quote(evil) + `,2],"userId":1,"username":"admin"}`, `{"actor":` + browser.Quote(evil) + `,"ip":"<b>"}`}},
	} {
		if _, err := db.ExecContext(t.Context(), change.statement, change.arguments...); err != nil {
			t.Fatal(err)
		}
	}
	var commits []string
	stack.Eventually(t, time.Minute, func() error {
		findings, err := s.client.Findings(t.Context(), token, "")
		if err != nil {
			return err
		}
		commits = nil
		for _, found := range findings.Findings {
			commits = append(commits, found.CommitTs)
		}
		slices.Sort(commits)
		if commits = slices.Compact(commits); len(commits) < 3 {
			return fmt.Errorf("findings in %d transactions", len(commits))
		}
		return nil
	})
	tab := s.openTrail("")
	tab.Expect("status of 422", "status of 400")
	harmless := func(where string) {
		t.Helper()
		tab.Until(`!document.querySelector("main [aria-busy]")`)
		if browser.Evaluate[bool](tab, `window.ran !== undefined || document.querySelector("main :is(img, script, iframe, i, b, u), main svg[onload]") !== null`) {
			t.Errorf("%s: a text has become markup", where)
		}
	}
	tab.UntilText("tbody", "onerror")
	harmless("/trail")
	for _, commitTs := range commits {
		tab.Open("/transactions/" + commitTs)
		tab.UntilText("main", "onerror")
		browser.Evaluate[bool](tab, `document.querySelectorAll("details").forEach(d => { d.open = true; }), true`)
		harmless("/transactions/" + commitTs)
	}
	for _, path := range []string{"/trail?findings=true", "/users", "/dashboard"} {
		tab.Open(path)
		tab.Until(`document.querySelector("main h1")`)
		harmless(path)
	}
	for _, name := range []string{"user", "userId", "eventType", "operation", "table", "source", "ip", "from", "to", "reads", "range", "findings", "kind"} {
		path := "/trail?" + name + "=" + "%22%3E%3Cimg%20src%3Dx%20onerror%3Dwindow.ran%3D1%3E"
		tab.Open(path)
		tab.Until(`document.querySelector("main h1")`)
		harmless(path)
	}
}
