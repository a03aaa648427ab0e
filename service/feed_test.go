package service_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"helfy/domain"
	"helfy/internal/stack"
)

// schemaChanges lists the schema changes of the log, oldest first.
func schemaChanges(entries []stack.Entry) []string {
	var list []string
	for _, entry := range slices.Backward(entries) {
		if entry.New["query"] != nil {
			list = append(list, entry.Table+" "+entry.Operation+": "+*entry.New["query"])
		}
	}
	return list
}

func TestSchemaChangesOfTheFedTablesAreEntries(t *testing.T) {
	config := stack.New(t)
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	client, _ := stack.Run(t, config)
	token := login(t, client, "admin")
	for _, statement := range []string{
		// Without the administrator's row nobody could read the log.
		"CREATE TABLE kept LIKE users", "INSERT INTO kept SELECT * FROM users",
		"TRUNCATE TABLE users", "INSERT INTO users SELECT * FROM kept",
		"ALTER TABLE users ADD COLUMN note VARCHAR(10)",
		"CREATE INDEX users_note ON users (note)",
		"ANALYZE TABLE users",
		"TRUNCATE TABLE outbox", // the changefeed's event filter ignores it
		"ALTER TABLE outbox ADD COLUMN note VARCHAR(10)",
		"DROP TABLE users", "CREATE TABLE users LIKE kept", "INSERT INTO users SELECT * FROM kept",
		"RENAME TABLE outbox TO outbox_of_old",
		"RENAME TABLE outbox_of_old TO outbox", // who reads the log is recorded there
	} {
		exec(t, config, statement)
	}
	want := []string{
		"users TRUNCATE: TRUNCATE TABLE users",
		"users ALTER: ALTER TABLE users ADD COLUMN note VARCHAR(10)",
		"users CINDEX: CREATE INDEX users_note ON users (note)",
		"outbox ALTER: ALTER TABLE outbox ADD COLUMN note VARCHAR(10)",
		"users ERASE: DROP TABLE `" + config.TiDBDatabase + "`.`users`",
		"users CREATE: CREATE TABLE users LIKE kept",
		"outbox_of_old RENAME: RENAME TABLE outbox TO outbox_of_old",
	}
	eventuallyAudit(t, client, token, func(entries []stack.Entry) error {
		if got := schemaChanges(entries); !slices.Equal(got, want) {
			return fmt.Errorf("schema changes are\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
		}
		return nil
	})
	page, err := client.Audit(t.Context(), token, "?operation=TRUNCATE")
	if err != nil || len(page.Entries) != 1 || page.Entries[0].Source != "change" {
		t.Errorf("the truncation is %+v, %v", page.Entries, err)
	}
}

// An outbox row of the greatest size, six bytes on the wire for each of its
// characters, is below the limit of a message.
func TestLargeEventArrivesWhole(t *testing.T) {
	const textBytes = 1<<16 - 1 // of a TEXT column
	config := stack.New(t)
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	client, _ := stack.Run(t, config)
	token := login(t, client, "admin")
	padded := func(format string) string {
		return fmt.Sprintf(format, strings.Repeat("<", textBytes-len(format)+len("%s")))
	}
	payload, metadata := padded(`{"username":"admin","pad":"%s"}`), padded(`{"ip":"192.0.2.1","pad":"%s"}`)
	_, err := stack.DB(t, config).ExecContext(t.Context(), `INSERT INTO outbox
		(id, aggregatetype, aggregateid, type, payload, metadata, seq, prev_hash, hash, key_id, occurred_at)
		VALUES (UUID(), 'large', '1', 'LARGE', ?, ?, 1, '', '', '', UTC_TIMESTAMP(6))`, payload, metadata)
	if err != nil {
		t.Fatal(err)
	}
	eventuallyAudit(t, client, token, func(entries []stack.Entry) error {
		newest := entries[0]
		if newest.EventType != "LARGE" {
			return fmt.Errorf("newest is %s", newest.EventType)
		}
		if got := newest.New["payload"]; got == nil || *got != payload {
			t.Error("the payload is not as it was written")
		}
		if got := newest.New["metadata"]; got == nil || *got != metadata {
			t.Error("the metadata are not as they were written")
		}
		return nil
	})
}

func TestTransactionIsLoggedAsItsNetEffect(t *testing.T) {
	config := stack.New(t)
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	client, _ := stack.Run(t, config)
	token := login(t, client, "admin")
	tx, err := stack.DB(t, config).BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback() //nolint:errcheck // after Commit it has nothing to do
	for _, statement := range []string{
		`INSERT INTO users (username, role, status, event_seq, event_hash, created_at, updated_at) VALUES
			('one', 'user', 'ACTIVE', 0, '', '2026-01-01', '2026-01-01'),
			('two', 'user', 'ACTIVE', 0, '', '2026-01-01', '2026-01-01'),
			('three', 'user', 'ACTIVE', 0, '', '2026-01-01', '2026-01-01')`,
		"DELETE FROM users WHERE username = 'two'",
		"UPDATE users SET role = 'admin' WHERE username = 'three'",
	} {
		if _, err := tx.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	exec(t, config, "UPDATE users SET status = 'LOCKED' WHERE username = 'one'")
	eventuallyAudit(t, client, token, func(entries []stack.Entry) error {
		if newest := entries[0]; newest.New["status"] == nil || *newest.New["status"] != "LOCKED" {
			return fmt.Errorf("newest is %+v", newest)
		}
		var got []string
		commits := map[string]bool{}
		for _, entry := range entries[1 : len(entries)-4] { // without those of the administrator's creation and login
			got = append(got, fmt.Sprint(*entry.Username, " ", entry.Operation, " ", *entry.New["role"]))
			commits[entry.CommitTs] = true
		}
		slices.Sort(got)
		if want := []string{"one INSERT user", "three INSERT admin"}; !slices.Equal(got, want) || len(commits) != 1 {
			return fmt.Errorf("the transaction is %q with the commit TSOs %v, want %q", got, commits, want)
		}
		return nil
	})
}

func TestWhatIsCommittedBeforeTheChangefeedNeverAppears(t *testing.T) {
	config := stack.New(t)
	stack.RemoveChangefeed(t.Context(), t, config)
	exec(t, config, "DELETE FROM changefeeds") // or the next one would begin where this one ended
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	before := stack.Serve(t, config)
	login(t, before, "admin")
	exec(t, config, "ALTER TABLE users ADD COLUMN note VARCHAR(10)")
	if created, _, err := config.EnsureChangefeed(t.Context()); err != nil || !created {
		t.Fatalf("created %v, %v", created, err)
	}
	client, _ := stack.Run(t, config)
	token := login(t, client, "admin")
	eventuallyAudit(t, client, token, func(entries []stack.Entry) error {
		page, err := client.Audit(t.Context(), token, "")
		if err != nil {
			return err
		}
		if page.CompleteThrough == nil || page.CompleteThrough.Before(entries[0].CommittedAt) {
			return errors.New("the log is not complete yet")
		}
		summary, err := json.Marshal(entries)
		if err != nil {
			return err
		}
		if len(entries) != 2 || entries[0].CommitTs != entries[1].CommitTs {
			return fmt.Errorf("%d entries, want those of the login: %s", len(entries), summary)
		}
		return nil
	})
}
