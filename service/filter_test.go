package service_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"helfy/domain"
	"helfy/internal/stack"
)

func TestFiltersChooseEntries(t *testing.T) {
	config := stack.New(t)
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	stack.AddUser(t, config, "alice", domain.RoleUser)
	client, _ := stack.Run(t, config)
	token := login(t, client, "admin")
	login(t, client, "alice")
	if _, err := client.Login(t.Context(), "alice", "wrong"); statusOf(t, err) != http.StatusUnauthorized {
		t.Fatal(err)
	}
	var all []stack.Entry
	eventuallyAudit(t, client, token, func(entries []stack.Entry) error {
		if all = entries; len(entries) != 10 {
			return fmt.Errorf("%d entries, want 10", len(entries))
		}
		return nil
	})
	middle := all[5].CommittedAt
	for query, chosen := range map[string]func(stack.Entry) bool{
		"user=alice":              func(e stack.Entry) bool { return *e.Username == "alice" },
		"userId=2":                func(e stack.Entry) bool { return *e.UserID == 2 },
		"eventType=LOGIN_SUCCESS": func(e stack.Entry) bool { return e.EventType == "LOGIN_SUCCESS" },
		"operation=INSERT":        func(e stack.Entry) bool { return e.Operation == "INSERT" },
		"table=users":             func(e stack.Entry) bool { return e.Table == "users" },
		"source=event":            func(e stack.Entry) bool { return e.Source == "event" },
		"ip=127.0.0.1":            func(e stack.Entry) bool { return e.IP != nil },
		"user=alice&source=event": func(e stack.Entry) bool { return *e.Username == "alice" && e.Source == "event" },
		"from=" + stamp(middle):   func(e stack.Entry) bool { return !e.CommittedAt.Before(middle) },
		"to=" + stamp(middle):     func(e stack.Entry) bool { return e.CommittedAt.Before(middle) },
		"user=nobody":             func(stack.Entry) bool { return false },
		"userId=2&eventType=LOGIN_FAILURE": func(e stack.Entry) bool {
			return *e.UserID == 2 && e.EventType == "LOGIN_FAILURE"
		},
		"table=users&operation=UPDATE": func(e stack.Entry) bool { return e.Table == "users" && e.Operation == "UPDATE" },
		"source=event&table=outbox&ip=127.0.0.1": func(e stack.Entry) bool {
			return e.Source == "event" && e.IP != nil
		},
		"table=users&eventType=LOGIN_SUCCESS": func(stack.Entry) bool { return false },
	} {
		t.Run(query, func(t *testing.T) {
			var want, got []string
			for _, entry := range all {
				if chosen(entry) {
					want = append(want, entry.ID)
				}
			}
			for next := "?limit=2&" + query; next != ""; {
				page, err := client.Audit(t.Context(), token, next)
				if err != nil {
					t.Fatal(err)
				}
				for _, entry := range page.Entries {
					got = append(got, entry.ID)
				}
				next = ""
				if page.Next != nil {
					next = "?limit=2&" + query + "&cursor=" + *page.Next
				}
			}
			if strings.Join(got, "\n") != strings.Join(want, "\n") {
				t.Errorf("got %v, want %v", got, want)
			}
		})
	}
}

func stamp(at time.Time) string { return url.QueryEscape(at.Format(time.RFC3339Nano)) }

func TestABadFilterIsNamed(t *testing.T) {
	config := stack.New(t)
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	client := stack.Serve(t, config)
	token := login(t, client, "admin")
	requireNamed(t, client, "/api/audit", token, map[string]string{
		"userId=zero":               "query.userId",
		"userId=0":                  "query.userId",
		"eventType=login":           "query.eventType",
		"operation=1":               "query.operation",
		"source=both":               "query.source",
		"from=yesterday":            "query.from",
		"from=1969-01-01T00:00:00Z": "query.from",
		"to=2026-13-01T00:00:00Z":   "query.to",
		"from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z": "query.from",
		"ip=localhost":                     "query.ip",
		"table=" + strings.Repeat("x", 65): "query.table",
		"cursor=x":                         "query.cursor",
		"limit=0":                          "query.limit",
		"colour=red":                       "query.colour",
	})
}

// requireNamed sends queries that a route refuses, each for one parameter that
// its answer must name.
func requireNamed(t *testing.T, client *stack.Client, route, token string, locations map[string]string) {
	t.Helper()
	for query, location := range locations {
		var problem struct{ Errors []struct{ Location string } }
		if err := json.Unmarshal(call(t, client, http.MethodGet, route+"?"+query, token, http.StatusBadRequest), &problem); err != nil {
			t.Fatal(err)
		}
		if len(problem.Errors) != 1 || problem.Errors[0].Location != location {
			t.Errorf("%s: got %+v, want %s", query, problem.Errors, location)
		}
	}
}

func TestATransactionShowsWhyAndWhatAndEachStep(t *testing.T) {
	config := stack.New(t)
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	client, _ := stack.Run(t, config)
	token := login(t, client, "admin")
	var commitTs string
	eventuallyAudit(t, client, token, func(entries []stack.Entry) error {
		if len(entries) != 4 {
			return fmt.Errorf("%d entries, want 4", len(entries))
		}
		commitTs = entries[0].CommitTs
		return nil
	})
	type traced struct {
		ID    string
		Kafka struct{ Topic string }
		Steps []struct {
			Name string
			At   time.Time
		}
	}
	var transaction struct {
		CommitTs        string
		Events, Changes []traced
	}
	if err := json.Unmarshal(call(t, client, "GET", "/api/audit/transactions/"+commitTs, token, 200), &transaction); err != nil {
		t.Fatal(err)
	}
	if len(transaction.Events) != 1 || len(transaction.Changes) != 1 || transaction.CommitTs != commitTs {
		t.Fatalf("got %+v", transaction)
	}
	names := func(entry traced) (names []string) {
		for i, step := range entry.Steps {
			names = append(names, step.Name)
			// One machine, one clock, but a TSO is cut to its millisecond.
			if i > 0 && step.At.Before(entry.Steps[i-1].At.Add(-2*time.Millisecond)) {
				t.Errorf("%s: %s comes before %s", entry.ID, step.Name, entry.Steps[i-1].Name)
			}
		}
		return names
	}
	if got := fmt.Sprint(names(transaction.Events[0])); got != "[occurred committed inKafka projected]" {
		t.Errorf("steps of the event: %s", got)
	}
	if got := fmt.Sprint(names(transaction.Changes[0])); got != "[committed inKafka projected]" {
		t.Errorf("steps of the change: %s", got)
	}
	if transaction.Events[0].Kafka.Topic != config.EventsTopic || transaction.Changes[0].Kafka.Topic != config.ChangesTopic {
		t.Errorf("coordinates: %+v", transaction)
	}
	call(t, client, "GET", "/api/audit/transactions/1", token, http.StatusNotFound)
	call(t, client, "GET", "/api/audit/transactions/x", token, http.StatusBadRequest)
	call(t, client, "GET", "/api/audit/transactions/99999999999999999999", token, http.StatusBadRequest)
}

// Each filter's query must be read from an index in the log's order.
func TestEveryFilterHasAnIndex(t *testing.T) {
	config := stack.New(t)
	db := stack.DB(t, config)
	for _, column := range []string{"user_id", "username", "event_type", "operation", "table_name", "source", "ip"} {
		var indexes int
		err := db.QueryRowContext(t.Context(), `
			SELECT COUNT(*) FROM information_schema.statistics
			WHERE table_schema = ? AND table_name = 'projection_audit_entries' AND seq_in_index = 2 AND column_name = ?`,
			config.TiDBDatabase, column).Scan(&indexes)
		if err != nil || indexes == 0 {
			t.Errorf("%s begins no index: %v", column, err)
		}
	}
}
