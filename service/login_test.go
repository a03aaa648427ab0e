package service_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"sync"
	"testing"
	"time"

	"helfy/domain"
	"helfy/internal/stack"
	"helfy/service"
)

func TestLoginAnswersATokenAndAppearsInTheAuditLog(t *testing.T) {
	config := stack.New(t)
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	client, _ := stack.Run(t, config)

	response, body, err := client.Do(t.Context(), http.MethodPost, "/api/login", "", `{"username":"ADMIN","password":"admin"}`)
	if err != nil {
		t.Fatal(err)
	}
	form := regexp.MustCompile(`^\{"token":"([0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12})","userId":1,"username":"admin"\}\n$`)
	match := form.FindStringSubmatch(string(body))
	if response.StatusCode != http.StatusOK || match == nil {
		t.Fatalf("status %d, body %s", response.StatusCode, body)
	}

	var event, change stack.Entry
	stack.Eventually(t, 20*time.Second, func() error {
		page, err := client.Audit(t.Context(), match[1], "?limit=2")
		if err != nil {
			return err
		}
		if len(page.Entries) != 2 || page.Entries[1].EventType != "LOGIN_SUCCESS" || page.Entries[0].Operation != "UPDATE" {
			return fmt.Errorf("entries are %+v", page.Entries)
		}
		change, event = page.Entries[0], page.Entries[1]
		return nil
	})
	if event.CommitTs != change.CommitTs || event.CommitTs == "" {
		t.Errorf("commitTs of event and change: %s and %s", event.CommitTs, change.CommitTs)
	}
	if *event.UserID != 1 || *event.Username != "admin" || *event.IP != "127.0.0.1" || *event.Seq != 2 {
		t.Errorf("event is %+v", event)
	}
	if change.Old["token_hash"] != nil || *change.New["token_hash"] != domain.HashToken(domain.NewSecret(match[1])) {
		t.Errorf("change does not tell the new token's hash: %+v", change)
	}
	if *change.Old["event_seq"] != "1" || *change.New["event_seq"] != "2" {
		t.Errorf("event_seq went from %s to %s", *change.Old["event_seq"], *change.New["event_seq"])
	}
}

func TestTheAuditLogSaysHowCompleteItIs(t *testing.T) {
	config := stack.New(t)
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	client, _ := stack.Run(t, config)
	token := login(t, client, "admin")
	loggedInAt := time.Now()
	stack.Eventually(t, 20*time.Second, func() error {
		page, err := client.Audit(t.Context(), token, "")
		if err != nil {
			return err
		}
		if page.CompleteThrough == nil || page.CompleteThrough.Before(loggedInAt) {
			return fmt.Errorf("complete through %v, want %s", page.CompleteThrough, loggedInAt)
		}
		return nil
	})
}

func login(t *testing.T, client *stack.Client, name string) string {
	t.Helper()
	token, err := client.Login(t.Context(), name, name)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func TestRefusedLoginsAreAlikeAndAreEvents(t *testing.T) {
	config := stack.New(t)
	config.MaxFailures, config.LockTime, config.LockMax = 2, time.Hour, time.Hour
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	stack.AddUser(t, config, "gone", domain.RoleUser)
	stack.AddUser(t, config, "locked", domain.RoleUser)
	exec(t, config, "UPDATE users SET status = 'disabled' WHERE username = 'gone'")
	client, _ := stack.Run(t, config)
	token := login(t, client, "admin")

	var answers []string
	for _, body := range []string{
		`{"username":"admin","password":"wrong"}`,
		`{"username":"hunter2hunter2","password":"wrong"}`,
		`{"username":"gone","password":"gone"}`,
		`{"username":"","password":""}`,
		`{"username":"locked","password":"wrong"}`,
		`{"username":"locked","password":"wrong"}`, // which locks
		`{"username":"locked","password":"wrong"}`,
		`{"username":"locked","password":"locked"}`,
	} {
		response, text, err := client.Do(t.Context(), http.MethodPost, "/api/login", "", body)
		if err != nil {
			t.Fatal(err)
		}
		for _, ofEach := range []string{"Date", "X-Request-Id"} {
			if response.Header.Get(ofEach) == "" {
				t.Errorf("an answer has no %s", ofEach)
			}
			response.Header.Del(ofEach)
		}
		answers = append(answers, fmt.Sprint(response.StatusCode, response.Header, string(text)))
	}
	if got := failures(t, config); got[domain.FailureLocked] != 2 || got[domain.UserDisabled] != 1 {
		t.Errorf("the reasons of the refusals are %v", got)
	}
	for _, answer := range answers[1:] {
		if answer != answers[0] {
			t.Errorf("answers differ: %q and %q", answers[0], answer)
		}
	}
	stack.Eventually(t, 20*time.Second, func() error {
		entries, err := client.WholeAudit(t.Context(), token)
		if err != nil {
			return err
		}
		failures := 0
		for _, entry := range entries {
			if entry.EventType == "LOGIN_FAILURE" {
				failures++
			}
		}
		if failures != len(answers) {
			return fmt.Errorf("%d failures are in the log, want %d", failures, len(answers))
		}
		return nil
	})
	requireUnbrokenChains(t, config)
}

// requireUnbrokenChains checks that the events of each aggregate in the
// outbox form one genuine chain that ends at its head.
func requireUnbrokenChains(t *testing.T, config service.Config) {
	t.Helper()
	faults, err := stack.CheckChains(t.Context(), stack.DB(t, config), config.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	for _, fault := range faults {
		t.Error(fault)
	}
}

func TestParallelLoginsOfOneUserMakeOneChain(t *testing.T) {
	config := stack.New(t)
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	client, _ := stack.Run(t, config)
	ctx, cancel := context.WithTimeout(t.Context(), 4*wait)
	defer cancel()
	var wait sync.WaitGroup
	tokens := make([]string, 8)
	for i := range tokens {
		wait.Go(func() {
			for range 5 {
				token, err := client.Login(ctx, "admin", "admin")
				for statusOf(t, err) == http.StatusServiceUnavailable { // it has waited too long for the others
					token, err = client.Login(ctx, "admin", "admin")
				}
				if err != nil {
					t.Error(err)
				}
				tokens[i] = token
			}
		})
	}
	wait.Wait()
	requireUnbrokenChains(t, config)
	for _, token := range tokens {
		if _, err := client.Audit(t.Context(), token, ""); err != nil {
			t.Errorf("each session must stay usable beside the others: %v", err)
		}
	}
}

func TestBeyondTheHashBoundLoginsAreSentAwayAtOnce(t *testing.T) {
	config := stack.New(t)
	config.HashConcurrency, config.HashMemoryKiB = 1, 64<<10 // which takes longer than the others need to come
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	client, _ := stack.Run(t, config)
	var wait sync.WaitGroup
	var mu sync.Mutex
	count := map[int]int{}
	for range 16 {
		wait.Go(func() {
			response, _, err := client.Do(t.Context(), http.MethodPost, "/api/login", "", `{"username":"admin","password":"admin"}`)
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			count[response.StatusCode]++
			if response.StatusCode == http.StatusServiceUnavailable && response.Header.Get("Retry-After") == "" {
				t.Error("503 without Retry-After")
			}
		})
	}
	wait.Wait()
	if count[http.StatusOK] == 0 || count[http.StatusServiceUnavailable] == 0 || count[http.StatusOK]+count[http.StatusServiceUnavailable] != 16 {
		t.Errorf("answers by status: %v", count)
	}
}

func TestAClientThatHangsUpLeavesItsTrace(t *testing.T) {
	config := stack.New(t)
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	viaProxy, proxy := stack.ViaProxy(t, config)
	client := stack.Serve(t, viaProxy)
	release := proxy.HoldCommits(2) // the second is that of the result
	ctx, hangUp := context.WithCancel(t.Context())
	answered := make(chan error, 1)
	go func() {
		_, err := client.Login(ctx, "admin", "wrong")
		answered <- err
	}()
	proxy.AwaitHeld(t)
	hangUp()
	if err := <-answered; err == nil {
		t.Fatal("the client has got an answer")
	}
	release()
	stack.Eventually(t, wait, func() error {
		var failures int
		err := stack.DB(t, config).QueryRowContext(t.Context(), "SELECT COUNT(*) FROM outbox WHERE type = 'LOGIN_FAILURE'").Scan(&failures)
		if err == nil && failures != 1 {
			err = fmt.Errorf("%d failures are recorded, want 1", failures)
		}
		return err
	})
}

// statusOf returns the status of a refused call, 200 for one that succeeded,
// and 0 for one that got no answer, which is an error of the test. Any goroutine
// may call it.
func statusOf(t *testing.T, err error) int {
	t.Helper()
	var refused *stack.StatusError
	if errors.As(err, &refused) {
		return refused.Status
	}
	if err != nil {
		t.Error(err)
		return 0
	}
	return http.StatusOK
}

// holdUser returns a transaction that holds the only user.
func holdUser(t *testing.T, db *sql.DB) *sql.Tx {
	t.Helper()
	tx, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	var id int
	if err := tx.QueryRowContext(t.Context(), "SELECT id FROM users FOR UPDATE").Scan(&id); err != nil {
		t.Fatal(err)
	}
	return tx
}
