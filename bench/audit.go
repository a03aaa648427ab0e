package main

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"helfy/app/projection"
	"helfy/domain"
	"helfy/internal/stack"
	"helfy/service"
)

// auditPage is how many entries a page has.
const auditPage = 50

// measureAudit asks GET /api/audit for pages by each filter, the newest ones
// and those in the middle of a large log, one at a time.
func measureAudit(r *run) {
	history := stack.History{Commits: r.largest / 2, Users: max(10, r.largest/200)}
	config, middle := auditConfig(r, history)
	client := stack.Serve(r, config)
	token, err := client.Login(r.Context(), "admin", "admin")
	r.must(err)
	for _, filter := range []struct{ name, query string }{
		{"none", ""},
		{"none, with readings", "&reads=true"},
		{"userId", "&userId=7"},
		{"user", "&user=user-7"},
		{"eventType", "&eventType=LOGIN_SUCCESS"},
		{"operation", "&operation=UPDATE"},
		{"table", "&table=users"},
		{"source", "&source=event"},
		{"ip", "&ip=192.0.2.1"},
		{"from", "&from=" + url.QueryEscape(middle.Add(-time.Minute).Format(time.RFC3339Nano))},
		{"to", "&to=" + url.QueryEscape(middle.Format(time.RFC3339Nano))},
		{"user and source", "&user=user-7&source=event"},
		{"userId and eventType", "&userId=7&eventType=LOGIN_SUCCESS"},
		{"ip and eventType", "&ip=192.0.2.1&eventType=LOGIN_SUCCESS"},
		{"ip and a rare eventType", "&ip=192.0.2.1&eventType=USER_CREATED"},
	} {
		first := ask50(r, client, token, filter.query)
		deep := ask50(r, client, token, filter.query+"&cursor="+cursorAt(middle))
		for _, p := range []float64{50, 99} {
			about := fmt.Sprintf("page of %d, filter %s, in the middle of the log, p%.0f", auditPage, filter.name, p)
			r.add(line{Case: about, Value: deep.percentile(p), Unit: "ms"}.beside("newest page", first.percentile(p)))
		}
	}
	measureExport(r, client, token)
}

// measureExport reads the whole log as CSV, which must take no more memory for
// more rows.
func measureExport(r *run, client *stack.Client, token string) {
	request, err := http.NewRequestWithContext(r.Context(), http.MethodGet, client.Base+"/api/audit/export?format=csv", nil)
	r.must(err)
	request.Header.Set("Authorization", "Bearer "+token)
	peak := stack.WatchHeap()
	began := time.Now()
	response, err := http.DefaultClient.Do(request)
	r.must(err)
	defer response.Body.Close() //nolint:errcheck // it was read to its end
	if response.StatusCode != http.StatusOK {
		r.Fatalf("export: %s", response.Status)
	}
	rows := -1 // a head
	lines := bufio.NewScanner(response.Body)
	for lines.Scan() {
		rows++
	}
	r.must(lines.Err())
	about := fmt.Sprintf("export of %d rows as CSV", rows)
	r.add(line{Case: about, Value: float64(rows) / time.Since(began).Seconds(), Unit: "rows/s"})
	r.add(line{Case: about + ", greatest heap, garbage included", Value: peak(), Unit: "MB"})
}

// auditConfig returns a configuration whose log has a history, and the time of
// its middle.
func auditConfig(r *run, history stack.History) (config service.Config, middle time.Time) {
	began := time.Now().Add(time.Minute) // as Fill has it
	config = newConfig(r)
	stack.AddUser(r, config, "admin", domain.RoleAdmin)
	r.must(config.PauseChangefeed(r.Context()))
	r.progress("writing %d messages", 2*history.Commits)
	stack.Fill(r, config, history)
	r.progress("making the log of them")
	if out, err := stack.Command(r.Context(), config, "rebuild", projection.AuditName, "--accept-diff").CombinedOutput(); err != nil {
		r.Fatalf("helfy rebuild: %v: %s", err, out)
	}
	return config, began.Add(time.Duration(history.Commits/2) * time.Millisecond)
}

// cursorAt is the cursor of a page that begins at a time.
func cursorAt(at time.Time) string {
	text, err := json.Marshal(map[string]any{"c": domain.TSOOfTime(at), "t": "users", "k": "1"})
	if err != nil {
		panic(err) // numbers and texts
	}
	return base64.RawURLEncoding.EncodeToString(text)
}

// ask50 asks for a page again and again and returns how long each took.
func ask50(r *run, client *stack.Client, token, query string) times {
	path := fmt.Sprintf("/api/audit?limit=%d%s", auditPage, query)
	var took times
	for range size(r, 200, 5) {
		began := time.Now()
		response, body, err := client.Do(r.Context(), http.MethodGet, path, token, "")
		r.must(err)
		if response.StatusCode != http.StatusOK {
			r.Fatalf("%s: %s: %s", path, response.Status, body)
		}
		took = append(took, time.Since(began))
	}
	return took
}
