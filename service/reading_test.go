package service_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"helfy/domain"
	"helfy/internal/stack"
	"helfy/service"
)

// readings returns what was recorded of readings, each of them once, and fails
// the test when one was recorded twice in a minute.
func readings(t *testing.T, config service.Config) []string {
	t.Helper()
	rows, err := stack.DB(t, config).QueryContext(t.Context(), `
		SELECT payload, COUNT(*) FROM outbox WHERE type = ? AND aggregatetype = 'reader'
		GROUP BY payload, DATE_FORMAT(occurred_at, '%Y-%m-%d %H:%i')`, domain.AuditRead)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var all []string
	for rows.Next() {
		var payload string
		var count int
		if err := rows.Scan(&payload, &count); err != nil {
			t.Fatal(err)
		}
		if count != 1 {
			t.Errorf("%s was recorded %d times in a minute", payload, count)
		}
		all = append(all, payload)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func requireReadings(t *testing.T, config service.Config, want ...string) {
	t.Helper()
	slices.Sort(want)
	if got := readings(t, config); !slices.Equal(got, want) {
		t.Errorf("recorded were\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestAReadingIsOneEventPerReaderFilterAndMinute(t *testing.T) {
	config := stack.New(t)
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	stack.AddUser(t, config, "root", domain.RoleAdmin)
	client, stop := stack.Run(t, config)
	other := stack.Serve(t, config)
	admin, root := login(t, client, "admin"), login(t, client, "root")
	queries := []string{
		"", "?limit=1", "?user=admin", "?to=2026-01-01T00:00:00Z&user=admin&limit=3", "?user=admin&to=2026-01-01T01:00:00%2B01:00",
	}
	var wait sync.WaitGroup
	for _, instance := range []*stack.Client{client, other, client} {
		for _, query := range queries {
			wait.Go(func() {
				if _, err := instance.Audit(t.Context(), admin, query); err != nil {
					t.Error(err)
				}
			})
		}
	}
	wait.Wait()
	if _, err := client.Audit(t.Context(), root, "?limit=2"); err != nil {
		t.Fatal(err)
	}
	call(t, client, http.MethodGet, "/api/audit/transactions/0012345", admin, http.StatusNotFound)
	call(t, client, http.MethodGet, "/api/audit/findings?limit=1&userId=1&kind=bad-mac", admin, http.StatusOK)
	stop()
	client, _ = stack.Run(t, config)
	if _, err := client.Audit(t.Context(), admin, ""); err != nil {
		t.Fatal(err)
	}
	requireReadings(t, config,
		`{"userId":1,"username":"admin","route":"GET /api/audit","filter":{}}`,
		`{"userId":1,"username":"admin","route":"GET /api/audit","filter":{"user":"admin"}}`,
		`{"userId":1,"username":"admin","route":"GET /api/audit","filter":{"to":"2026-01-01T00:00:00Z","user":"admin"}}`,
		`{"userId":2,"username":"root","route":"GET /api/audit","filter":{}}`,
		`{"userId":1,"username":"admin","route":"GET /api/audit/transactions/{commitTs}","filter":{"commitTs":"12345"}}`,
		`{"userId":1,"username":"admin","route":"GET /api/audit/findings","filter":{"kind":"bad-mac","userId":"1"}}`,
	)
	requireUnbrokenChains(t, config)
}

func TestTurningThePagesIsNoOtherReading(t *testing.T) {
	config := stack.New(t)
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	client, _ := stack.Run(t, config)
	token := login(t, client, "admin")
	eventuallyEntries(t, client, token, 4)
	page, err := client.Audit(t.Context(), token, "?limit=1")
	if err != nil || page.Next == nil {
		t.Fatalf("%+v, %v", page, err)
	}
	if _, err := client.Audit(t.Context(), token, "?limit=1&cursor="+*page.Next); err != nil {
		t.Fatal(err)
	}
	requireReadings(t, config, `{"userId":1,"username":"admin","route":"GET /api/audit","filter":{}}`)
}

func TestReadingsAreLeftOutOfListsUnlessAskedFor(t *testing.T) {
	config := stack.New(t)
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	client, _ := stack.Run(t, config)
	token := login(t, client, "admin")
	// Readings stand between the other entries, and more than fit a page.
	for i := range 4 {
		for user := range 3 {
			if _, err := client.Audit(t.Context(), token, fmt.Sprintf("?userId=%d", 10*i+user+1)); err != nil {
				t.Fatal(err)
			}
		}
		login(t, client, "admin")
	}
	count := func(query string) (events, readings int) {
		for next := "?limit=2" + query; next != ""; {
			page, err := client.Audit(t.Context(), token, next)
			if err != nil {
				t.Fatal(err)
			}
			for _, entry := range page.Entries {
				if entry.EventType == string(domain.AuditRead) {
					readings++
					if *entry.UserID != 1 || *entry.Username != "admin" || *entry.IP != "127.0.0.1" {
						t.Errorf("entry is %+v", entry)
					}
				} else {
					events++
				}
			}
			if next = ""; page.Next != nil {
				next = "?limit=2" + query + "&cursor=" + *page.Next
			}
		}
		return events, readings
	}
	const logins = 5
	stack.Eventually(t, wait, func() error {
		if events, readings := count(""); events != 2*(1+logins) || readings != 0 {
			return fmt.Errorf("%d entries and %d readings by themselves", events, readings)
		}
		if events, readings := count("&reads=true"); events != 2*(1+logins) || readings < 12 {
			return fmt.Errorf("%d entries and %d readings with reads=true", events, readings)
		}
		if events, readings := count("&eventType=AUDIT_READ"); events != 0 || readings < 12 {
			return fmt.Errorf("%d entries and %d readings of the type", events, readings)
		}
		return nil
	})
}

func TestWhatCannotBeRecordedIsNotRead(t *testing.T) {
	config := stack.New(t)
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	client := stack.Serve(t, config)
	token := login(t, client, "admin")
	exec(t, config, "RENAME TABLE event_chains TO hidden")
	for _, path := range []string{"/api/audit", "/api/audit/transactions/12345", "/api/audit/findings"} {
		var problem struct {
			Entries any
			Detail  string
		}
		if err := json.Unmarshal(call(t, client, http.MethodGet, path, token, http.StatusServiceUnavailable), &problem); err != nil {
			t.Fatal(err)
		}
		if problem.Entries != nil || problem.Detail == "" {
			t.Errorf("%s: %+v", path, problem)
		}
	}
	exec(t, config, "RENAME TABLE hidden TO event_chains")
	call(t, client, http.MethodGet, "/api/audit", token, http.StatusOK)
	requireReadings(t, config, `{"userId":1,"username":"admin","route":"GET /api/audit","filter":{}}`)
}

func TestWhatIsRefusedIsNoReading(t *testing.T) {
	config := stack.New(t)
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	stack.AddUser(t, config, "user", domain.RoleUser)
	client := stack.Serve(t, config)
	admin, user := login(t, client, "admin"), login(t, client, "user")
	for _, path := range []string{"/api/audit", "/api/audit/transactions/12345", "/api/audit/findings"} {
		call(t, client, http.MethodGet, path, "", http.StatusUnauthorized)
		call(t, client, http.MethodGet, path, user, http.StatusForbidden)
	}
	call(t, client, http.MethodGet, "/api/audit?cursor=x", admin, http.StatusBadRequest)
	call(t, client, http.MethodGet, "/api/audit/transactions/99999999999999999999", admin, http.StatusBadRequest)
	requireReadings(t, config)
}

// Leaving readings out must not cost the order of the key: each page is read
// from where the one before ended.
func TestPagesAreReadInTheOrderOfTheKey(t *testing.T) {
	config := stack.New(t)
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	client, _ := stack.Run(t, config)
	token := login(t, client, "admin")
	var next string
	stack.Eventually(t, wait, func() error {
		page, err := client.Audit(t.Context(), token, "?limit=1")
		if err == nil && page.Next == nil {
			return errors.New("the log has no second page")
		}
		if err == nil {
			next = *page.Next
		}
		return err
	})
	if _, err := client.Audit(t.Context(), token, "?limit=1&cursor="+next); err != nil {
		t.Fatal(err)
	}
	rows, err := stack.DB(t, config).QueryContext(t.Context(), `
		SELECT digest_text, plan FROM information_schema.statements_summary
		WHERE schema_name = ? AND digest_text LIKE 'select%projection_audit_entries%order by%desc%'`, config.TiDBDatabase)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	statements := 0
	for ; rows.Next(); statements++ {
		var statement, plan string
		if err := rows.Scan(&statement, &plan); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(plan, "TopN") || strings.Contains(plan, "Sort") || !strings.Contains(plan, "keep order:true, desc") {
			t.Errorf("%s is sorted:\n%s", statement, plan)
		}
		if !strings.Contains(statement, "`event_type` <=>") {
			t.Errorf("%s does not leave readings out", statement)
		}
	}
	if err := rows.Err(); err != nil || statements < 4 {
		t.Errorf("%d statements, want those for the keys and for the rows of the first and of the next page, %v", statements, err)
	}
}

func TestANameThatNobodyHasIsMaskedInWhatIsRecorded(t *testing.T) {
	config := stack.New(t)
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	client := stack.Serve(t, config)
	token := login(t, client, "admin")
	for _, query := range []string{"?user=ADMIN", "?user=hunter2hunter2", "?table=users&user=x", "?table=hunter2hunter2"} {
		call(t, client, http.MethodGet, "/api/audit"+query, token, http.StatusOK)
	}
	recorded := strings.Join(readings(t, config), "\n")
	if strings.Contains(recorded, "hunter2hunter2") || strings.Count(recorded, `"hu***"`) != 2 ||
		!strings.Contains(recorded, `"user":"ADMIN"`) || !strings.Contains(recorded, `"table":"users"`) ||
		strings.Count(recorded, `"userFingerprint"`) != 2 || strings.Count(recorded, `"tableFingerprint"`) != 1 {
		t.Errorf("recorded were\n%s", recorded)
	}
}
