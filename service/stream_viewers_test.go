package service_test

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"helfy/domain"
	"helfy/internal/stack"
)

func TestAFilteredStreamHasWhatTheFilteredLogHas(t *testing.T) {
	config := stack.New(t)
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	client, _ := stack.Run(t, config)
	token := login(t, client, "admin")
	begun := time.Now().Truncate(time.Millisecond).Add(time.Millisecond) // after the login, as commits are timed
	all := watch(t, client, token, "?reads=true", "")
	all.Next(t, wait, "complete")
	start := all.LastID()
	body := sendJSON(t, client, http.MethodPost, "/api/users", token, `{"username":"bob","password":"`+strong+`"}`, http.StatusCreated)
	bob := parse[struct{ ID int64 }](t, body).ID
	sendJSON(t, client, http.MethodPatch, fmt.Sprintf("/api/users/%d", bob), token, `{"username":"robert"}`, http.StatusOK)
	sendJSON(t, client, http.MethodPost, "/api/login", "", `{"username":"nobody","password":"wrong"}`, http.StatusUnauthorized)
	call(t, client, http.MethodGet, "/api/audit?userId=77", token, http.StatusOK)
	sendJSON(t, client, http.MethodDelete, fmt.Sprintf("/api/users/%d", bob), token, "", http.StatusNoContent)
	eventuallyAudit(t, client, token, func(entries []stack.Entry) error {
		if entries[0].Operation != "DELETE" && entries[1].Operation != "DELETE" {
			return errors.New("the deletion is not in the log")
		}
		return nil
	})
	for entry := all.Entry(t, wait); entry.Operation != "DELETE"; {
		entry = all.Entry(t, wait)
	}
	since := begun.UTC().Format(time.RFC3339Nano)
	for _, filter := range []string{
		"", "reads=true", "user=bob", "user=robert", "user=BOB", fmt.Sprintf("userId=%d", bob), "eventType=LOGIN_FAILURE",
		"eventType=AUDIT_READ", "operation=INSERT", "operation=UPDATE", "operation=DELETE", "table=users", "table=outbox",
		"source=event", "source=change", "ip=127.0.0.1", "ip=192.0.2.1", "user=robert&operation=DELETE&source=change",
	} {
		t.Run(filter, func(t *testing.T) {
			w := watch(t, client, token, "?"+filter, start)
			want := map[string]stack.Entry{}
			page, err := client.Audit(t.Context(), token, "?limit=500&from="+since+"&"+filter)
			if err != nil {
				t.Fatal(err)
			}
			for _, entry := range page.Entries {
				if entry.EventType != string(domain.AuditRead) { // comes while this runs
					want[entry.ID] = entry
				}
			}
			got := map[string]stack.Entry{}
			for event := range w.Events {
				if event.Name == "complete" {
					break
				}
				entry := entryOf(t, event)
				if event.Name != "entry" || entry.EventType == string(domain.AuditRead) || entry.CommittedAt.Before(begun) {
					continue // what came before may be late on the stream
				}
				got[entry.ID] = entry
			}
			for id, entry := range want {
				if got[id].Operation != entry.Operation || fmt.Sprint(len(got[id].Old), len(got[id].New)) != fmt.Sprint(len(entry.Old), len(entry.New)) {
					t.Errorf("%s: on the stream is %+v, in the log %+v", id, got[id], entry)
				}
				delete(got, id)
			}
			for id := range got {
				t.Errorf("%s is on the stream, but not in the log", id)
			}
		})
	}
}

func TestReadingTheStreamIsAnEventOfItsOwn(t *testing.T) {
	config := stack.New(t)
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	client, _ := stack.Run(t, config)
	token := login(t, client, "admin")
	with := watch(t, client, token, "?reads=true&table=outbox", "")
	without := watch(t, client, token, "?table=outbox", "")
	for {
		entry := with.Entry(t, wait)
		if entry.EventType == string(domain.AuditRead) && strings.Contains(*entry.New["payload"], `"GET /api/audit/stream"`) {
			break
		}
	}
	login(t, client, "admin")
	for {
		entry := without.Entry(t, wait)
		if entry.EventType == string(domain.AuditRead) {
			t.Error("a stream that does not ask for it shows who has read")
		}
		if entry.EventType == string(domain.LoginSuccess) {
			return
		}
	}
}

func TestAStreamEndsWithItsSession(t *testing.T) {
	config := stack.New(t)
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	client, _ := stack.Run(t, config)
	root := login(t, client, "admin")
	for name, end := range map[string]func(t *testing.T, token, name string, id domain.UserID){
		"signed out": func(t *testing.T, token, _ string, _ domain.UserID) {
			call(t, client, http.MethodPost, "/api/logout", token, http.StatusNoContent)
		},
		"disabled": func(t *testing.T, _, _ string, id domain.UserID) {
			sendJSON(t, client, http.MethodPatch, "/api/users/"+id.String(), root, `{"status":"disabled"}`, http.StatusOK)
		},
		"no administrator": func(t *testing.T, _, _ string, id domain.UserID) {
			sendJSON(t, client, http.MethodPatch, "/api/users/"+id.String(), root, `{"role":"user"}`, http.StatusOK)
		},
		"deleted": func(t *testing.T, _, _ string, id domain.UserID) {
			sendJSON(t, client, http.MethodDelete, "/api/users/"+id.String(), root, "", http.StatusNoContent)
		},
		"revoked without an event": func(t *testing.T, _, _ string, id domain.UserID) {
			exec(t, config, "DELETE FROM sessions WHERE user_id = "+id.String())
		},
	} {
		t.Run(name, func(t *testing.T) {
			who := strings.ReplaceAll(name, " ", "-")
			id := stack.AddUser(t, config, who, domain.RoleAdmin)
			token := login(t, client, who)
			w := watch(t, client, token, "?user=nobody", "")
			w.Next(t, wait, "complete")
			end(t, token, who, id)
			w.AwaitEnd(t, wait)
		})
	}
}

func TestViewersAreLimited(t *testing.T) {
	config := stack.New(t)
	config.StreamViewers, config.StreamViewersByUser = 2, 1
	for _, name := range []string{"ann", "bob", "cid"} {
		stack.AddUser(t, config, name, domain.RoleAdmin)
	}
	client := stack.Serve(t, config)
	ann, bob, cid := login(t, client, "ann"), login(t, client, "bob"), login(t, client, "cid")
	first := watch(t, client, ann, "", "")
	requireTurnedAway(t, client, ann, http.StatusTooManyRequests)
	watch(t, client, bob, "", "")
	requireTurnedAway(t, client, cid, http.StatusServiceUnavailable)
	first.Close()
	stack.Eventually(t, wait, func() error {
		_, err := client.Watch(t, cid, "", "")
		return err
	})
}

func requireTurnedAway(t *testing.T, client *stack.Client, token string, status int) {
	t.Helper()
	response, body, err := client.Do(t.Context(), http.MethodGet, "/api/audit/stream", token, "")
	if err != nil || response.StatusCode != status || response.Header.Get("Retry-After") == "" {
		t.Errorf("%v %s, %v, want %d and Retry-After", response, body, err, status)
	}
}

func TestAFindingIsOnTheStream(t *testing.T) {
	config := stack.New(t)
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	stack.AddUser(t, config, "alice", domain.RoleUser)
	client, _ := stack.Run(t, config)
	token := login(t, client, "admin")
	eventuallyAudit(t, client, token, func([]stack.Entry) error { return nil })
	w := watch(t, client, token, "", "")
	w.Next(t, wait, "complete")
	exec(t, config, "UPDATE users SET role = 'admin' WHERE username = 'alice'")
	event := w.Next(t, wait, "finding")
	found := parse[struct{ Kind, Username string }](t, []byte(event.Data))
	if found.Kind != "unattributed-change" || found.Username != "alice" {
		t.Errorf("got %s", event.Data)
	}
}

func TestShutdownDoesNotWaitForViewers(t *testing.T) {
	config := stack.New(t)
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	client, stop := stack.Run(t, config)
	token := login(t, client, "admin")
	var viewers []*stack.Watcher
	for range 10 {
		viewers = append(viewers, watch(t, client, token, "", ""))
	}
	stop() // fails the test if requests under way have to be cut off
	for _, w := range viewers {
		w.AwaitEnd(t, wait)
	}
}

func TestASlowViewerIsCutOffAndOthersMissNothing(t *testing.T) {
	config := stack.New(t)
	config.MetricsAddress = metricsAddress(t)
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	client := stack.Serve(t, config)
	token := login(t, client, "admin")
	if err := config.PauseChangefeed(t.Context()); err != nil {
		t.Fatal(err)
	}
	quick := watch(t, client, token, "", "")
	quick.Next(t, wait, "complete")
	slow, err := net.DialTCP("tcp", nil, tcpAddress(t, client))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := slow.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := slow.SetReadBuffer(4 << 10); err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fprintf(slow, "GET /api/audit/stream HTTP/1.1\r\nHost: helfy\r\nAuthorization: Bearer %s\r\n\r\n", token); err != nil {
		t.Fatal(err)
	}
	stack.Eventually(t, wait, func() error { return requireViewers(readMetrics(t, config), 2) })
	history := stack.History{Commits: 4000, Users: 100}
	all := make(chan int)
	go func() {
		defer close(all)
		seen := map[string]bool{}
		for event := range quick.Events {
			if _, data, _ := strings.Cut(event.Data, `"id":"`); event.Name == "entry" {
				id, _, _ := strings.Cut(data, `"`)
				seen[id] = true
			}
			if len(seen) == 2*history.Commits {
				return
			}
		}
		all <- len(seen)
	}()
	stack.Fill(t, config, history)
	if count, cut := <-all; cut {
		t.Fatalf("the quick viewer was cut off after %d of %d entries", count, 2*history.Commits)
	}
	stack.Eventually(t, wait, func() error {
		metrics := readMetrics(t, config)
		if !strings.Contains(metrics, "\nhelfy_stream_dropped_viewers_total 1\n") {
			return errors.New("no viewer was dropped")
		}
		return requireViewers(metrics, 1)
	})
}

func requireViewers(metrics string, count int) error {
	if want := fmt.Sprintf("\nhelfy_stream_viewers %d\n", count); !strings.Contains(metrics, want) {
		return fmt.Errorf("the metrics lack %q", want)
	}
	return nil
}

func tcpAddress(t *testing.T, client *stack.Client) *net.TCPAddr {
	t.Helper()
	address, err := net.ResolveTCPAddr("tcp", strings.TrimPrefix(client.Base, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	return address
}
