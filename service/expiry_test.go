package service_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"helfy/domain"
	"helfy/internal/stack"
	"helfy/service"
)

// expiry is the payload of a SESSION_EXPIRED.
type expiry struct {
	UserID     int64
	Username   string
	SessionIDs []string
	Reason     string
}

// payloads returns the payloads of a type of event, in the order of the chain.
func payloads[T any](t *testing.T, config service.Config, eventType domain.EventType) []T {
	t.Helper()
	rows, err := stack.DB(t, config).QueryContext(t.Context(), "SELECT payload FROM outbox WHERE type = ? ORDER BY aggregateid, seq", eventType)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var all []T
	for rows.Next() {
		var text []byte
		var payload T
		if err := rows.Scan(&text); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(text, &payload); err != nil {
			t.Fatalf("payload %s: %v", text, err)
		}
		all = append(all, payload)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

// eventually waits until there are so many events of a type and returns their
// payloads.
func eventually[T any](t *testing.T, config service.Config, eventType domain.EventType, want int) []T {
	t.Helper()
	var all []T
	stack.Eventually(t, wait, func() error {
		if all = payloads[T](t, config, eventType); len(all) < want {
			return fmt.Errorf("%d events %s, want %d", len(all), eventType, want)
		}
		return nil
	})
	return all
}

func sessionID(t *testing.T, client *stack.Client, token string) string {
	t.Helper()
	var me struct{ SessionID string }
	if err := json.Unmarshal(call(t, client, "GET", "/api/me", token, 200), &me); err != nil {
		t.Fatal(err)
	}
	return me.SessionID
}

func TestASessionEndsAfterItsTimeHoweverItIsUsed(t *testing.T) {
	config := stack.New(t)
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	config.SessionTTL, config.SessionIdle = 5*time.Second, 0
	client, _ := stack.Run(t, config)
	token := login(t, client, "admin")
	id, end := scalar[string](t, config, "SELECT id FROM sessions"), scalar[time.Time](t, config, "SELECT expires_at FROM sessions")
	stack.Eventually(t, wait, func() error {
		response, _, err := client.Do(t.Context(), "GET", "/api/me", token, "")
		if err == nil && response.StatusCode != http.StatusUnauthorized {
			err = fmt.Errorf("status %d, want 401", response.StatusCode)
		}
		return err
	})
	if early := time.Until(end); early > 0 {
		t.Errorf("the session has ended %s before its time", early)
	}
	got := eventually[expiry](t, config, domain.SessionExpired, 1)
	want := expiry{UserID: 1, Username: "admin", SessionIDs: []string{id}, Reason: "absolute"}
	if len(got) != 1 || fmt.Sprint(got[0]) != fmt.Sprint(want) {
		t.Errorf("events are %+v, want %+v", got, want)
	}
	requireUnbrokenChains(t, config)
}

func TestASessionThatIsNotUsedEnds(t *testing.T) {
	config := stack.New(t)
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	config.SessionIdle = 2 * time.Hour
	client := stack.Serve(t, config)
	used, idle := login(t, client, "admin"), login(t, client, "admin")
	id := sessionID(t, client, idle)
	const pass = "UPDATE sessions SET last_seen_at = last_seen_at - INTERVAL 90 MINUTE"
	exec(t, config, pass)
	call(t, client, "GET", "/api/me", used, http.StatusOK)
	exec(t, config, pass)
	stack.Eventually(t, wait, func() error {
		if len(payloads[expiry](t, config, domain.SessionExpired)) == 0 {
			return errors.New("no session has expired")
		}
		return nil
	})
	call(t, client, "GET", "/api/me", idle, http.StatusUnauthorized)
	call(t, client, "GET", "/api/me", used, http.StatusOK)
	got := payloads[expiry](t, config, domain.SessionExpired)
	want := expiry{UserID: 1, Username: "admin", SessionIDs: []string{id}, Reason: "idle"}
	if len(got) != 1 || fmt.Sprint(got[0]) != fmt.Sprint(want) {
		t.Errorf("events are %+v, want %+v", got, want)
	}
}

func TestAnExpiryIsAnEventWithItsChange(t *testing.T) {
	config := stack.New(t)
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	stack.AddUser(t, config, "other", domain.RoleUser)
	client, _ := stack.Run(t, config)
	login(t, client, "other")
	exec(t, config, "UPDATE sessions SET last_seen_at = last_seen_at - INTERVAL 1 DAY WHERE user_id = 2")
	eventuallyAttributed(t, client, login(t, client, "admin"), "SESSION_EXPIRED", func(change stack.Entry) error {
		if change.Old["token_hash"] == nil || change.New["token_hash"] != nil {
			return fmt.Errorf("the change is %+v", change)
		}
		return nil
	})
}

// eventuallyAttributed waits until the log has one event of a type and the
// change that it explains, by commitTs and event_seq, and checks the change.
func eventuallyAttributed(t *testing.T, client *stack.Client, token, eventType string, check func(change stack.Entry) error) {
	t.Helper()
	eventuallyAudit(t, client, token, func(entries []stack.Entry) error {
		is := func(e stack.Entry) bool { return e.EventType == eventType }
		i := slices.IndexFunc(entries, is)
		if i < 0 || slices.ContainsFunc(entries[i+1:], is) {
			return fmt.Errorf("want one %s among %d entries", eventType, len(entries))
		}
		for _, change := range entries {
			if change.Source == "change" && change.CommitTs == entries[i].CommitTs && *change.UserID == *entries[i].UserID {
				return errors.Join(explained(entries[i], change), check(change))
			}
		}
		return fmt.Errorf("no change is of the commit of %+v", entries[i])
	})
}

// explained returns why an event does not explain a change.
func explained(event, change stack.Entry) error {
	seq := func(row map[string]*string) (n uint64, err error) {
		if row == nil {
			return 0, nil
		}
		_, err = fmt.Sscan(*row["event_seq"], &n)
		return n, err
	}
	before, err := seq(change.Old)
	after, err2 := seq(change.New)
	if err := errors.Join(err, err2); err != nil {
		return err
	}
	if change.New == nil {
		after = before + 1 // a deletion is explained by what is above
	}
	if *event.Seq <= before || *event.Seq > after {
		return fmt.Errorf("event %d does not explain a change from %d to %d", *event.Seq, before, after)
	}
	return nil
}

func TestEachExpiryIsRecordedOnceByManyInstancesThatAreKilled(t *testing.T) {
	config := stack.New(t)
	const users, sessions = 12, 3
	for i := range users {
		stack.AddUser(t, config, fmt.Sprintf("user%d", i), domain.RoleUser)
	}
	quiet := config
	quiet.SessionTTL = time.Hour
	client := stack.Serve(t, quiet)
	for i := range users * sessions {
		login(t, client, fmt.Sprintf("user%d", i%users))
	}
	exec(t, config, "UPDATE sessions SET last_seen_at = last_seen_at - INTERVAL 1 DAY")
	var instances []*stack.Process
	for range 2 {
		instances = append(instances, stack.Start(t, config, "serve"))
	}
	eventually[expiry](t, config, domain.SessionExpired, 1)
	for _, instance := range instances {
		instance.Kill()
	}
	stack.Start(t, config, "serve")
	var ended []string
	stack.Eventually(t, wait, func() error {
		ended = nil
		for _, event := range payloads[expiry](t, config, domain.SessionExpired) {
			ended = append(ended, event.SessionIDs...)
		}
		if len(ended) < users*sessions {
			return fmt.Errorf("%d sessions of %d have ended", len(ended), users*sessions)
		}
		return nil
	})
	slices.Sort(ended)
	if once := slices.Compact(slices.Clone(ended)); len(once) != len(ended) {
		t.Errorf("%d sessions have ended %d times", len(once), len(ended))
	}
	requireUnbrokenChains(t, config)
}

// forgery is the payload of a SESSION_FORGED.
type forgery struct {
	UserID              int64
	Username, SessionID string
}

func TestAForgedSessionIsRefusedAndReportedOnce(t *testing.T) {
	config := stack.New(t)
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	stack.AddUser(t, config, "mallory", domain.RoleUser)
	client, _ := stack.Run(t, config)
	admin, token := login(t, client, "admin"), login(t, client, "mallory")
	id := sessionID(t, client, token)
	exec(t, config, "UPDATE sessions SET user_id = 1 WHERE user_id = 2")
	var tries sync.WaitGroup
	for range 8 {
		tries.Go(func() {
			response, _, err := client.Do(t.Context(), "GET", "/api/audit", token, "")
			if err != nil || response.StatusCode != http.StatusUnauthorized {
				t.Errorf("got %+v, %v, want 401", response, err)
			}
		})
	}
	tries.Wait()
	call(t, client, "GET", "/api/audit", token, http.StatusUnauthorized)
	got := payloads[forgery](t, config, domain.SessionForged)
	if want := (forgery{1, "admin", id}); len(got) != 1 || got[0] != want {
		t.Errorf("reports are %+v, want %+v", got, want)
	}
	eventuallyAttributed(t, client, admin, "SESSION_FORGED", func(stack.Entry) error { return nil })
	call(t, client, "GET", "/api/me", admin, http.StatusOK)
	requireUnbrokenChains(t, config)
}

func TestAForgedSessionIsNotSealedByEndingIt(t *testing.T) {
	config := stack.New(t)
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	client := stack.Serve(t, config)
	forged := login(t, client, "admin")
	exec(t, config, "UPDATE sessions SET expires_at = expires_at + INTERVAL 1 DAY")
	call(t, client, "POST", "/api/logout?all=true", login(t, client, "admin"), http.StatusNoContent)
	call(t, client, "GET", "/api/me", forged, http.StatusUnauthorized)
	if got := payloads[forgery](t, config, domain.SessionForged); len(got) != 1 {
		t.Errorf("reports are %+v, want one", got)
	}
}

func TestAForgedSessionThatNobodyUsesIsFoundWhenItExpires(t *testing.T) {
	config := stack.New(t)
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	client := stack.Serve(t, config)
	login(t, client, "admin")
	exec(t, config, "UPDATE sessions SET expires_at = '2020-01-01'")
	eventually[forgery](t, config, domain.SessionForged, 1)
	if got := payloads[expiry](t, config, domain.SessionExpired); len(got) != 0 {
		t.Errorf("it also expired: %+v", got)
	}
}

func TestSessionsThatEndedLongAgoAreRemoved(t *testing.T) {
	config := stack.New(t)
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	client := stack.Serve(t, config)
	old, recent := login(t, client, "admin"), login(t, client, "admin")
	id := sessionID(t, client, old)
	for _, token := range []string{old, recent} {
		call(t, client, "POST", "/api/logout", token, http.StatusNoContent)
	}
	exec(t, config, "UPDATE sessions SET revoked_at = revoked_at - INTERVAL 31 DAY WHERE id = '"+id+"'")
	stack.Eventually(t, wait, func() error {
		if left := count(t, config).Sessions; left != 1 {
			return fmt.Errorf("%d sessions are left, want 1", left)
		}
		return nil
	})
}

func TestSessionsOfAUserWhoIsGoneAreRemoved(t *testing.T) {
	config := stack.New(t)
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	stack.AddUser(t, config, "gone", domain.RoleUser)
	client := stack.Serve(t, config)
	login(t, client, "gone")
	exec(t, config, "DELETE FROM users WHERE username = 'gone'")
	exec(t, config, "UPDATE sessions SET last_seen_at = last_seen_at - INTERVAL 1 DAY")
	stack.Eventually(t, wait, func() error {
		if left := count(t, config).Sessions; left != 0 {
			return fmt.Errorf("%d sessions are left, want none", left)
		}
		return nil
	})
}
