//go:build browser

package main

import (
	"errors"
	"fmt"
	"time"

	"helfy/app/projection"
	"helfy/domain"
	"helfy/internal/browser"
	"helfy/internal/stack"
	"helfy/service"
)

func init() {
	measurements = append(measurements, measurement{name: "paint", run: measurePaint}, measurement{name: "rows", run: measureRows})
}

// page is a service and a tab of its administrator.
type page struct {
	served
	config  service.Config
	browser *browser.Browser
	tab     *browser.Tab
}

// openPage starts both. The password hash is a cheap one: it is no part of what
// is measured.
func openPage(r *run) page {
	config := newConfig(r)
	config.HashMemoryKiB, config.HashTime = 64, 1
	p := page{served: start(r, config, "run"), config: config, browser: browser.Start(r)}
	stack.AddUser(r, config, "admin", domain.RoleAdmin)
	p.tab = p.browser.NewTab(r, p.Base)
	p.tab.Open("/")
	p.tab.SignIn("admin", "admin")
	p.tab.UntilPath("/dashboard")
	return p
}

// measurePaint measures when a browser paints the first content of a page,
// counted from the beginning of the load, with its files confirmed but not sent
// again.
func measurePaint(r *run) {
	p := openPage(r)
	visitor := p.browser.NewTab(r, p.Base)
	for _, path := range []string{"/", "/dashboard", "/trail", "/users"} {
		tab := p.tab
		if path == "/" { // which leads on who is signed in
			tab = visitor
		}
		var took times
		for range size(r, 15, 2) {
			tab.Open(path)
			took = append(took, tab.FirstPaint())
		}
		r.add(line{Case: "first contentful paint of " + path + ", p50", Value: took.percentile(50), Unit: "ms"}.aim("less than 100 ms"))
		r.add(line{Case: "first contentful paint of " + path + ", slowest", Value: took.percentile(100), Unit: "ms"})
	}
}

// measureRows measures how long after the answer to a login its row is on the
// page of somebody who watches the trail, to the millisecond.
func measureRows(r *run) {
	page := openPage(r)
	addUsers(r, page.config)
	logIn(r, page.served, userCount) // connections and plans are there
	page.tab.Open("/trail")
	page.tab.UntilText("main .badge", "Live")
	page.tab.NoteRows()
	count := viewerRate * size(r, 30, 2)
	r.progress("%d logins", count)
	_, answered := logIn(r, page.served, count)
	db := stack.DB(r, page.config)
	var took times
	for event, at := range eventsOf(r, db, answered) {
		var commitTs string
		stack.Eventually(r, time.Minute, func() error {
			err := db.QueryRowContext(r.Context(), "SELECT COALESCE(MAX(commit_ts), '') FROM projection_audit_entries WHERE generation = ? AND row_key = ?",
				projection.FirstGeneration, event).Scan(&commitTs)
			if err == nil && commitTs == "" {
				err = errors.New("the login is not in the log")
			}
			return err
		})
		took = append(took, max(0, page.tab.RowShown(commitTs).Sub(at)))
	}
	for _, p := range []float64{50, 99} {
		l := line{Case: fmt.Sprintf("login's answer to the row on the page, %d/s, p%.0f", viewerRate, p), Value: took.percentile(p), Unit: "ms"}
		r.add(l.aim("less than 1000 ms"))
	}
}
