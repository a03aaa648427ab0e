package service_test

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"helfy/domain"
	"helfy/internal/stack"
	"helfy/service"
)

// bend is something that somebody does with SQL, to the user USER or to
// another one, 9000 + USER.
type bend struct {
	sql  []string
	then func(t *testing.T, config service.Config, client *stack.Client, name string)
	want []domain.FindingKind
	// after are the kinds that the user's next login adds. A user who is none
	// any more does not log in.
	after   []domain.FindingKind
	noLogin bool
}

const forgeEvent = `INSERT INTO outbox (id, aggregatetype, aggregateid, type, payload, metadata, seq, prev_hash, hash, key_id, occurred_at)
	SELECT UUID(), aggregatetype, aggregateid, 'LOGIN_SUCCESS', payload, metadata, seq + STEP, hash, SHA2(UUID(), 256), key_id, NOW(6)
	FROM outbox WHERE aggregatetype = 'user' AND aggregateid = 'USER' ORDER BY seq DESC LIMIT 1`

var bends = map[string]bend{
	"a role": {
		sql:  []string{"UPDATE users SET role = 'admin' WHERE id = USER"},
		want: []domain.FindingKind{domain.UnattributedChange},
	},
	"a username": {
		sql:  []string{"UPDATE users SET username = CONCAT('bent-', username) WHERE id = USER", "UPDATE users SET username = SUBSTR(username, 6) WHERE id = USER"},
		want: []domain.FindingKind{domain.UnattributedChange, domain.UnattributedChange},
	},
	"a new user": {
		sql: []string{`INSERT INTO users (id, username, role, status, event_seq, event_hash, created_at, updated_at)
			VALUES (9000 + USER, 'by-hand-USER', 'admin', 'active', 1, SHA2('', 256), NOW(6), NOW(6))`},
		want: []domain.FindingKind{domain.UnattributedChange},
	},
	"a new user without events": {
		sql: []string{`INSERT INTO users (id, username, role, status, event_seq, event_hash, created_at, updated_at)
			VALUES (9000 + USER, 'by-hand-USER', 'admin', 'active', 0, '', NOW(6), NOW(6))`},
		want: []domain.FindingKind{domain.UnattributedChange},
	},
	"a deletion": {
		sql:     []string{"DELETE FROM users WHERE id = USER"},
		want:    []domain.FindingKind{domain.UnattributedChange},
		noLogin: true,
	},
	"a role and event_seq": {
		sql:   []string{"UPDATE users SET role = 'admin', event_seq = event_seq + 1 WHERE id = USER"},
		want:  []domain.FindingKind{domain.UnattributedChange},
		after: []domain.FindingKind{domain.ChainGap}, // the login continues after an event that never was
	},
	"event_hash": {
		sql:   []string{"UPDATE users SET event_hash = SHA2('', 256) WHERE id = USER"},
		want:  []domain.FindingKind{domain.UnattributedChange},
		after: []domain.FindingKind{domain.ChainEdit}, // the login continues after a hash that never was
	},
	"the primary key": {
		sql:     []string{"UPDATE users SET id = 9000 + USER WHERE id = USER"},
		want:    []domain.FindingKind{domain.UnattributedChange, domain.UnattributedChange},
		noLogin: true,
	},
	"an event with the right seq": {
		sql:  []string{strings.Replace(forgeEvent, "STEP", "1", 1)},
		want: []domain.FindingKind{domain.BadMAC, domain.EventWithoutChange},
	},
	"an event and its change": {
		sql: []string{
			"BEGIN", strings.Replace(forgeEvent, "STEP", "1", 1),
			`UPDATE users SET role = 'admin', event_seq = event_seq + 1, event_hash = (
				SELECT hash FROM outbox WHERE aggregatetype = 'user' AND aggregateid = 'USER' ORDER BY seq DESC LIMIT 1) WHERE id = USER`,
			"COMMIT",
		},
		want:  []domain.FindingKind{domain.BadMAC, domain.UnattributedChange, domain.EventWithoutChange},
		after: []domain.FindingKind{domain.ChainGap},
	},
	"an event far ahead": {
		sql:  []string{strings.Replace(forgeEvent, "STEP", "98", 1)},
		want: []domain.FindingKind{domain.BadMAC, domain.EventWithoutChange},
	},
	"a genuine event under another id and seq": {
		sql: []string{`INSERT INTO outbox (id, aggregatetype, aggregateid, type, payload, metadata, seq, prev_hash, hash, key_id, occurred_at)
			SELECT UUID(), aggregatetype, aggregateid, type, payload, metadata, seq + 50, prev_hash, hash, key_id, occurred_at
			FROM outbox WHERE aggregatetype = 'user' AND aggregateid = 'USER'`},
		want: []domain.FindingKind{domain.BadMAC, domain.EventWithoutChange},
	},
	"a genuine event once more": {
		sql: []string{
			"CREATE TABLE kept_USER LIKE outbox", "INSERT INTO kept_USER SELECT * FROM outbox WHERE aggregatetype = 'user' AND aggregateid = 'USER'",
			"DELETE FROM outbox WHERE aggregatetype = 'user' AND aggregateid = 'USER'", "INSERT INTO outbox SELECT * FROM kept_USER",
		},
		want: []domain.FindingKind{domain.ChainFork, domain.EventWithoutChange},
	},
	"an event that is not fed": {
		sql: []string{"UPDATE outbox SET payload = '{}' WHERE aggregatetype = 'user' AND aggregateid = 'USER'"},
	},
	"a password hash": {
		sql: []string{"UPDATE credentials SET password_hash = (SELECT password_hash FROM credentials WHERE user_id = 1) WHERE user_id = USER"},
		then: func(t *testing.T, _ service.Config, client *stack.Client, name string) {
			t.Helper()
			for _, password := range []string{"admin", name} {
				if _, err := client.Login(t.Context(), name, password); statusOf(t, err) != http.StatusUnauthorized {
					t.Errorf("a password hash written by hand: %v", err)
				}
			}
		},
		want:    []domain.FindingKind{domain.CredentialMAC}, // once, however often it is tried
		noLogin: true,
	},
	"a session": {
		sql: []string{`INSERT INTO sessions (id, user_id, token_hash, issued_at, expires_at, last_seen_at, key_id, mac)
			VALUES (UUID(), USER, SHA2('by-hand-USER', 256), NOW(6), NOW(6) + INTERVAL 1 DAY, NOW(6), 'x', 'y')`},
		then: func(t *testing.T, config service.Config, client *stack.Client, name string) {
			t.Helper()
			call(t, client, http.MethodGet, "/api/me", "by-hand-"+userID(t, config, name), http.StatusUnauthorized)
		},
		want: []domain.FindingKind{domain.SessionMAC},
	},
}

func userID(t *testing.T, config service.Config, name string) (id string) {
	t.Helper()
	if err := stack.DB(t, config).QueryRowContext(t.Context(), "SELECT id FROM users WHERE username = ?", name).Scan(&id); err != nil {
		t.Fatal(err)
	}
	return id
}

// shell runs statements as somebody at a SQL shell does, in one session.
func shell(t *testing.T, config service.Config, statements ...string) {
	t.Helper()
	conn, err := stack.DB(t, config).Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, statement := range statements {
		if _, err := conn.ExecContext(t.Context(), statement); err != nil {
			t.Errorf("%s: %v", statement, err)
		}
	}
	if err := conn.Close(); err != nil {
		t.Error(err)
	}
}

// kinds lists the kinds of findings of each user, sorted; 9000 + USER counts as
// USER.
func kinds(found []domain.Finding) map[domain.UserID][]domain.FindingKind {
	kinds := map[domain.UserID][]domain.FindingKind{}
	for _, f := range found {
		id := f.UserID % 9000
		kinds[id] = append(kinds[id], f.Kind)
		slices.Sort(kinds[id])
	}
	return kinds
}

func TestWhatIsDoneBySQLIsFoundAndNamed(t *testing.T) {
	config := stack.New(t)
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	client, _ := stack.Run(t, config)
	ids := map[string]domain.UserID{}
	for _, name := range slices.Sorted(maps.Keys(bends)) {
		ids[name] = stack.AddUser(t, config, name, domain.RoleUser)
	}
	stack.RequireNoFindings(t, config)
	for name, bend := range bends {
		shell(t, config, strings.Split(strings.ReplaceAll(strings.Join(bend.sql, ";"), "USER", ids[name].String()), ";")...)
		if bend.then != nil {
			bend.then(t, config, client, name)
		}
	}
	want := map[domain.UserID][]domain.FindingKind{}
	for name, bend := range bends {
		if len(bend.want) > 0 {
			want[ids[name]] = slices.Sorted(slices.Values(bend.want))
		}
	}
	requireKinds(t, ids, stack.VerifiedFindings(t, config), want)

	for name, bend := range bends {
		if !bend.noLogin {
			login(t, client, name)
			if all := slices.Concat(bend.want, bend.after); len(all) > 0 {
				want[ids[name]] = slices.Sorted(slices.Values(all))
			}
		}
	}
	requireKinds(t, ids, stack.VerifiedFindings(t, config), want)
}

func requireKinds(t *testing.T, ids map[string]domain.UserID, found []domain.Finding, want map[domain.UserID][]domain.FindingKind) {
	t.Helper()
	got := kinds(found)
	for name, id := range ids {
		if !slices.Equal(got[id], want[id]) {
			t.Errorf("%s: findings are %v, want %v", name, got[id], want[id])
			for _, f := range found {
				if f.UserID%9000 == id {
					t.Logf("  %s: %s", f.Kind, f.Detail)
				}
			}
		}
		delete(got, id)
	}
	if len(got) > 0 {
		t.Errorf("other findings: %+v", got)
	}
}

// details lists kind and detail of findings.
func details(found []domain.Finding) []string {
	var list []string
	for _, f := range found {
		list = append(list, string(f.Kind)+": "+f.Detail)
	}
	return list
}

func TestASchemaChangeThatNobodyAnnouncedIsFound(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		do   func(t *testing.T, config service.Config)
		want []string
	}{
		"by hand": {
			do: func(t *testing.T, config service.Config) {
				exec(t, config, "ALTER TABLE users ADD COLUMN note TEXT")
			},
			want: []string{"unannounced-ddl: ALTER of table users was not announced by a migration: ALTER TABLE users ADD COLUMN note TEXT"},
		},
		"by a migration": {
			do: func(t *testing.T, config service.Config) {
				if err := addNote(t, config); err != nil {
					t.Error(err)
				}
			},
		},
		"by hand after the migration": {
			do: func(t *testing.T, config service.Config) {
				if err := addNote(t, config); err != nil {
					t.Error(err)
				}
				exec(t, config, "ALTER TABLE users DROP COLUMN note")
				exec(t, config, "ALTER TABLE users ADD COLUMN note TEXT")
			},
			want: []string{
				"unannounced-ddl: ALTER of table users was not announced by a migration: ALTER TABLE users DROP COLUMN note",
				"unannounced-ddl: ALTER of table users was not announced by a migration: ALTER TABLE users ADD COLUMN note TEXT",
			},
		},
		"TRUNCATE": {
			do: func(t *testing.T, config service.Config) { exec(t, config, "TRUNCATE TABLE users") },
			want: []string{
				"unannounced-ddl: TRUNCATE of table users was not announced by a migration: TRUNCATE TABLE users",
			},
		},
		"of a table that is not fed": {
			do: func(t *testing.T, config service.Config) {
				exec(t, config, "ALTER TABLE sessions ADD COLUMN note TEXT")
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			config := stack.New(t)
			stack.AddUser(t, config, "admin", domain.RoleAdmin)
			stack.Run(t, config)
			test.do(t, config)
			if got := details(stack.VerifiedFindings(t, config)); !slices.Equal(got, test.want) {
				t.Errorf("findings are %q, want %q", got, test.want)
			}
		})
	}
}

func TestFindingsAreAnsweredWithTheRowsThatShowThem(t *testing.T) {
	config := stack.New(t)
	config.MetricsAddress = metricsAddress(t)
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	alice := int64(stack.AddUser(t, config, "alice", domain.RoleUser))
	stack.AddUser(t, config, "bob", domain.RoleUser)
	client, _ := stack.Run(t, config)
	token := login(t, client, "admin")
	exec(t, config, "UPDATE users SET role = 'admin' WHERE username = 'alice'")
	exec(t, config, "DELETE FROM users WHERE username = 'bob'")
	exec(t, config, "UPDATE users SET status = 'disabled' WHERE username = 'alice'")
	stack.VerifiedFindings(t, config)

	page, err := client.Findings(t.Context(), token, "")
	if err != nil {
		t.Fatal(err)
	}
	if len(page.Findings) != 3 || page.Next != nil || page.VerifiedThrough == nil {
		t.Fatalf("got %+v", page)
	}
	first := page.Findings[2]
	if first.Kind != "unattributed-change" || first.Table != "users" || *first.UserID != alice || *first.Username != "alice" ||
		first.Kafka.Topic != config.ChangesTopic || *first.Old["role"] != "user" || *first.New["role"] != "admin" ||
		!strings.Contains(first.Detail, `role: "user" → "admin"`) || first.CommittedAt.After(*page.VerifiedThrough) {
		t.Errorf("got %+v", first)
	}
	if gone := page.Findings[1]; gone.New != nil || *gone.Old["username"] != "bob" {
		t.Errorf("got %+v", gone)
	}

	var paged []string
	for query := "?limit=1"; query != ""; {
		page, err := client.Findings(t.Context(), token, query)
		if err != nil || len(page.Findings) != 1 {
			t.Fatalf("%+v, %v", page, err)
		}
		paged = append(paged, page.Findings[0].CommitTs)
		query = ""
		if page.Next != nil {
			query = "?limit=1&cursor=" + *page.Next
		}
	}
	if len(paged) != 3 || !slices.IsSortedFunc(paged, func(a, b string) int { return strings.Compare(b, a) }) {
		t.Errorf("pages give %v", paged)
	}
	for query, want := range map[string]int{
		"?kind=unattributed-change": 3, "?kind=bad-mac": 0, fmt.Sprintf("?userId=%d", alice): 2,
		fmt.Sprintf("?kind=unattributed-change&userId=%d&limit=500", alice): 2,
	} {
		if page, err := client.Findings(t.Context(), token, query); err != nil || len(page.Findings) != want {
			t.Errorf("%s: %d findings, want %d, %v", query, len(page.Findings), want, err)
		}
	}
	for _, query := range []string{"?kind=ROLE", "?cursor=x", "?limit=0", "?limit=501", "?userId=0", "?nonsense=1"} {
		if _, err := client.Findings(t.Context(), token, query); statusOf(t, err) != http.StatusBadRequest {
			t.Errorf("%s: %v, want 400", query, err)
		}
	}
	metrics := readMetrics(t, config)
	requireMetric(t, metrics, `helfy_audit_findings{kind="unattributed-change"} 3`)
	requireMetric(t, metrics, `helfy_audit_findings{kind="bad-mac"} 0`)
}

func TestFindingsAreForAdministrators(t *testing.T) {
	config := stack.New(t)
	stack.AddUser(t, config, "alice", domain.RoleUser)
	client := stack.Serve(t, config)
	if _, err := client.Findings(t.Context(), login(t, client, "alice"), ""); statusOf(t, err) != http.StatusForbidden {
		t.Error(err)
	}
	if _, err := client.Findings(t.Context(), "", ""); statusOf(t, err) != http.StatusUnauthorized {
		t.Error(err)
	}
}

// consumeWhile runs the consumers while do runs, and returns their log.
func consumeWhile(t *testing.T, config service.Config, do func()) string {
	t.Helper()
	var lines bytes.Buffer
	log, err := config.NewLogger(&lines)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- stack.As(config, "consume").Consume(ctx, log) }()
	do()
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	return lines.String()
}

func TestEachFindingIsLoggedOnce(t *testing.T) {
	config := stack.New(t)
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	exec(t, config, "UPDATE users SET status = 'disabled'")
	const line = `"level":"ERROR","msg":"finding","kind":"unattributed-change","userId":1,"username":"admin"`
	log := consumeWhile(t, config, func() { stack.VerifiedFindings(t, config) })
	if strings.Count(log, line) != 1 {
		t.Errorf("the finding is not logged once: %s", log)
	}
	exec(t, config, verifyAnew)
	log = consumeWhile(t, config, func() {
		if found := stack.VerifiedFindings(t, config); len(found) != 1 {
			t.Errorf("findings are %+v", found)
		}
	})
	if strings.Contains(log, `"msg":"finding"`) {
		t.Errorf("the finding is logged again: %s", log)
	}
}

// verifyAnew makes verification begin again.
const verifyAnew = "UPDATE projection_audit_verification SET pass = pass + 1, verified_through = 0, state = '{}'"
