package service_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"helfy/adapters/kafka"
	"helfy/domain"
	"helfy/internal/stack"
	"helfy/service"
)

// wait is how long the audit log may take to show something, a rebalance
// included.
const wait = 30 * time.Second

// eventuallyAudit reads the whole log until it has entries and check is
// content.
func eventuallyAudit(t *testing.T, client *stack.Client, token string, check func([]stack.Entry) error) {
	t.Helper()
	stack.Eventually(t, wait, func() error {
		entries, err := client.WholeAudit(t.Context(), token)
		if err != nil {
			return err
		}
		if len(entries) == 0 {
			return errors.New("the log is empty")
		}
		return check(entries)
	})
}

// eventuallyEntries waits for so many entries of the log.
func eventuallyEntries(t *testing.T, client *stack.Client, token string, want int) {
	t.Helper()
	eventuallyAudit(t, client, token, func(entries []stack.Entry) error {
		if len(entries) != want {
			return fmt.Errorf("%d entries, want %d", len(entries), want)
		}
		return nil
	})
}

// scalar returns the only value of a query.
func scalar[T any](t *testing.T, config service.Config, query string, args ...any) (value T) {
	t.Helper()
	if err := stack.DB(t, config).QueryRowContext(t.Context(), query, args...).Scan(&value); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return value
}

func exec(t *testing.T, config service.Config, statement string) {
	t.Helper()
	if _, err := stack.DB(t, config).ExecContext(t.Context(), statement); err != nil {
		t.Fatal(err)
	}
}

func TestPagesOfTheAuditLogJoinWithoutGapOrOverlap(t *testing.T) {
	config := stack.New(t)
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	client, _ := stack.Run(t, config)
	var token string
	for range 4 {
		token = login(t, client, "admin")
	}
	eventuallyEntries(t, client, token, 10)
	var paged []string
	query := "?limit=3"
	for query != "" {
		page, err := client.Audit(t.Context(), token, query)
		if err != nil {
			t.Fatal(err)
		}
		if len(page.Entries) > 3 {
			t.Errorf("a page has %d entries", len(page.Entries))
		}
		for _, entry := range page.Entries {
			paged = append(paged, entry.ID)
		}
		query = ""
		if page.Next != nil {
			query = "?limit=3&cursor=" + *page.Next
		}
	}
	whole, err := client.WholeAudit(t.Context(), token)
	if err != nil {
		t.Fatal(err)
	}
	for i, entry := range whole {
		if i >= len(paged) || paged[i] != entry.ID {
			t.Fatalf("pages give %v", paged)
		}
		if i > 0 && entry.CommitTs > whole[i-1].CommitTs {
			t.Errorf("entry %d is newer than the one before", i)
		}
	}
}

func TestAChangedUsernameIsOneUpdate(t *testing.T) {
	config := stack.New(t)
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	client, _ := stack.Run(t, config)
	token := login(t, client, "admin")
	exec(t, config, "UPDATE users SET username = 'root' WHERE username = 'admin'")
	eventuallyAudit(t, client, token, func(entries []stack.Entry) error {
		newest := entries[0]
		if newest.Operation != "UPDATE" || newest.Old["username"] == nil || newest.New["username"] == nil {
			return fmt.Errorf("newest is %+v", newest)
		}
		if *newest.Old["username"] != "admin" || *newest.New["username"] != "root" || *newest.Username != "root" {
			return fmt.Errorf("newest is %+v", newest)
		}
		return nil
	})
}

func TestADeletedRowIsADeletion(t *testing.T) {
	config := stack.New(t)
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	stack.AddUser(t, config, "gone", domain.RoleUser)
	client, _ := stack.Run(t, config)
	token := login(t, client, "admin")
	exec(t, config, "DELETE FROM users WHERE username = 'gone'")
	eventuallyAudit(t, client, token, func(entries []stack.Entry) error {
		if newest := entries[0]; newest.Operation != "DELETE" || newest.New != nil || *newest.Username != "gone" {
			return fmt.Errorf("newest is %+v", newest)
		}
		return nil
	})
}

func TestPrunedOutboxRowsLeaveNoTrace(t *testing.T) {
	config := stack.New(t)
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	client, _ := stack.Run(t, config)
	exec(t, config, "DELETE FROM outbox")
	token := login(t, client, "admin")
	eventuallyEntries(t, client, token, 4)
}

func TestARestoredDatabaseIsReadUpAgain(t *testing.T) {
	config := stack.New(t)
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	client, stop := stack.Run(t, config)
	token := login(t, client, "admin")
	four := func(entries []stack.Entry) error {
		if len(entries) != 4 {
			return fmt.Errorf("%d entries, want 4", len(entries))
		}
		return nil
	}
	eventuallyAudit(t, client, token, four)
	stop()
	// As after a restore from a backup that was taken before anything was
	// read: the consumer group is ahead of the checkpoint.
	exec(t, config, "DELETE FROM projection_audit_entries")
	exec(t, config, "UPDATE projection_checkpoints SET next_offset = first_offset, watermark = 0")
	client, _ = stack.Run(t, config)
	eventuallyAudit(t, client, token, four)
}

func TestTheAuditLogIsForAdministrators(t *testing.T) {
	config := stack.New(t)
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	stack.AddUser(t, config, "user", domain.RoleUser)
	client := stack.Serve(t, config)
	admin, user := login(t, client, "admin"), login(t, client, "user")
	expired, forged := login(t, client, "admin"), login(t, client, "admin")
	hash := func(token string) string { return domain.HashToken(domain.NewSecret(token)) }
	exec(t, config, "UPDATE sessions SET user_id = 1, expires_at = '2020-01-01' WHERE token_hash = '"+hash(expired)+"'")
	exec(t, config, "UPDATE sessions SET expires_at = '2099-01-01' WHERE token_hash = '"+hash(forged)+"'")
	for name, test := range map[string]struct {
		token string
		want  int
	}{
		"no token":                {"", http.StatusUnauthorized},
		"unknown token":           {"550e8400-e29b-41d4-a716-446655440000", http.StatusUnauthorized},
		"malformed token":         {"ä ö", http.StatusUnauthorized},
		"expired session":         {expired, http.StatusUnauthorized},
		"session written by hand": {forged, http.StatusUnauthorized},
		"user":                    {user, http.StatusForbidden},
		"admin":                   {admin, http.StatusOK},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := client.Audit(t.Context(), test.token, "")
			if got := statusOf(t, err); got != test.want {
				t.Errorf("status %d, want %d", got, test.want)
			}
		})
	}
}

func TestHealthNamesThePartThatFails(t *testing.T) {
	config := stack.New(t)
	client := stack.Serve(t, config)
	withoutKafka := config
	withoutKafka.KafkaBrokers = []string{"127.0.0.1:1"}
	lame := stack.Serve(t, withoutKafka)
	withoutDatabase := config
	withoutDatabase.TiDBPort = 1
	blind := stack.Serve(t, withoutDatabase)
	for name, test := range map[string]struct {
		client *stack.Client
		path   string
		status int
		want   string
	}{
		"all well":               {client, "/health", 200, `{"status":"healthy","database":"connected","kafka":true}`},
		"kafka away":             {lame, "/health", 503, `{"status":"unhealthy","database":"connected","kafka":false}`},
		"database away":          {blind, "/health", 503, `{"status":"unhealthy","database":"disconnected","kafka":true}`},
		"ready without Kafka":    {lame, "/readyz", 200, `{"status":"ready"}`},
		"not ready without TiDB": {blind, "/readyz", 503, `{"status":"not ready","reason":"TiDB does not answer"}`},
		"alive without anything": {blind, "/livez", 200, `{"status":"alive"}`},
	} {
		t.Run(name, func(t *testing.T) {
			response, body, err := test.client.Do(t.Context(), http.MethodGet, test.path, "", "")
			if err != nil {
				t.Fatal(err)
			}
			if response.StatusCode != test.status || string(body) != test.want+"\n" {
				t.Errorf("got %d %s, want %d %s", response.StatusCode, body, test.status, test.want)
			}
		})
	}
}

func TestTopicsThatDifferAreNamed(t *testing.T) {
	config := stack.New(t)
	if created, err := config.EnsureTopics(t.Context()); err != nil || len(created) != 0 {
		t.Errorf("a second call created %v, %v", created, err)
	}
	config.KafkaPartitions++
	_, err := config.EnsureTopics(t.Context())
	if !errors.Is(err, kafka.ErrTopicDiffers) {
		t.Fatalf("got %v", err)
	}
}

func TestSetupCanRunTwiceAndAtOnce(t *testing.T) {
	config := stack.New(t)
	ended := make(chan error, 4)
	for range cap(ended) {
		go func() {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			_, migrated := config.Migrate(ctx)
			_, topics := config.EnsureTopics(ctx)
			created, _, feed := config.EnsureChangefeed(ctx)
			if created {
				feed = errors.Join(feed, errors.New("the changefeed was created a second time"))
			}
			ended <- errors.Join(migrated, topics, feed)
		}()
	}
	for range cap(ended) {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}

func TestAMigrationThatWasInterruptedRunsAgain(t *testing.T) {
	config := stack.New(t)
	// All of it is done, but the end was not recorded.
	exec(t, config, "DELETE FROM goose_db_version ORDER BY version_id DESC LIMIT 1")
	if applied, err := config.Migrate(t.Context()); err != nil || len(applied) != 1 {
		t.Fatalf("ran %v, %v", applied, err)
	}
}

func TestAChangefeedThatDiffersIsNamed(t *testing.T) {
	config := stack.New(t)
	config.EventsTopic += "-other"
	_, _, err := config.EnsureChangefeed(t.Context())
	if err == nil {
		t.Fatal("want an error")
	}
}
