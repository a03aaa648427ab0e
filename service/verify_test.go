package service_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"helfy/domain"
	"helfy/internal/stack"
	"helfy/service"
)

// verified is what helfy audit verify --json prints.
type verified struct {
	Clean     bool
	Watermark string
	Digest    string
	Entries   int64
	Repeats   int64
	Heads     []struct {
		AggregateType, AggregateID, Hash string
		Seq                              uint64
	}
	Findings []struct {
		Kind, Table, RowKey, Detail string
		Topic                       string
		Partition                   int32
		Offset, UserID              int64
	}
	Faults []struct {
		Topic, Reason string
		Partition     int32
		Offset        int64
	}
	Waived []struct {
		Topic, By string
		Partition int32
		Offset    int64
	}
	MACsChecked bool
}

// kinds returns the kinds of the findings, sorted.
func (v verified) kinds() []string {
	kinds := []string{}
	for _, f := range v.Findings {
		kinds = append(kinds, f.Kind)
	}
	slices.Sort(kinds)
	return kinds
}

// verify runs helfy audit verify --json. Its exit code must say what the
// report says.
func verify(t *testing.T, config service.Config, args ...string) verified {
	t.Helper()
	code, stdout, stderr := helfy(t, config, append([]string{"audit", "verify", "--json"}, args...)...)
	var report verified
	if err := json.Unmarshal([]byte(stdout), &report); err != nil {
		t.Fatalf("audit verify %v: %v: %s%s", args, err, stdout, stderr)
	}
	if (code == 0) != report.Clean || code > 1 {
		t.Errorf("audit verify %v: exit code %d, clean %v", args, code, report.Clean)
	}
	return report
}

// requireClean verifies and fails unless there is nothing to find.
func requireClean(t *testing.T, config service.Config, args ...string) verified {
	t.Helper()
	report := verify(t, config, args...)
	if !report.Clean {
		t.Errorf("audit verify %v: %+v", args, report)
	}
	return report
}

// requireOutcome verifies and fails unless the findings are of those kinds.
func requireOutcome(t *testing.T, config service.Config, kinds []string, args ...string) verified {
	t.Helper()
	report := verify(t, config, args...)
	if got := report.kinds(); !slices.Equal(got, kinds) {
		t.Errorf("audit verify %v: kinds %v, want %v: %+v", args, got, kinds, report)
	}
	return report
}

// busy is a service that has seen logins, failures and logouts, and is
// running.
func busy(t *testing.T) (service.Config, *stack.Client) {
	t.Helper()
	config := stack.New(t)
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	stack.AddUser(t, config, "alice", domain.RoleUser)
	stack.AddUser(t, config, "bob", domain.RoleUser)
	client, _ := stack.Run(t, config)
	use(t, client)
	return config, client
}

// use lets people sign in and out.
func use(t *testing.T, client *stack.Client) {
	t.Helper()
	for range 3 {
		for _, name := range []string{"admin", "alice", "bob"} {
			token := login(t, client, name)
			call(t, client, "POST", "/api/logout", token, 204)
		}
	}
	for _, name := range []string{"alice", "nobody", "somebody else"} {
		if _, err := client.Login(t.Context(), name, "wrong"); statusOf(t, err) != 401 {
			t.Fatalf("a wrong password: %v", err)
		}
	}
	eventuallyComplete(t, client, login(t, client, "admin"))
}

// export runs helfy audit export-topics and returns the folder.
func export(t *testing.T, config service.Config) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "export")
	if code, stdout, stderr := helfy(t, config, "audit", "export-topics", dir); code != 0 {
		t.Fatalf("exit code %d: %s%s", code, stdout, stderr)
	}
	return dir
}

func TestATrailThatNobodyBentIsCleanWhereverItIsRead(t *testing.T) {
	config, _ := busy(t)
	kafka := requireClean(t, config)
	if kafka.Entries < 40 || len(kafka.Heads) < 4 || !kafka.MACsChecked {
		t.Errorf("too little was read: %+v", kafka)
	}
	for _, from := range []string{"table", export(t, config)} {
		report := requireClean(t, config, "--from", from)
		if report.Digest != kafka.Digest || report.Entries != kafka.Entries || fmt.Sprint(report.Heads) != fmt.Sprint(kafka.Heads) {
			t.Errorf("from %s: %+v, from kafka: %+v", from, report, kafka)
		}
	}
}

func TestWithoutAKeyOnlyLinksAreVerified(t *testing.T) {
	config, _ := busy(t)
	config.KeyFile = ""
	if report := requireClean(t, config); report.MACsChecked {
		t.Error("MACs cannot have been checked")
	}
	code, stdout, _ := helfy(t, config, "audit", "verify", "--from", "table")
	if code != 0 || !strings.Contains(stdout, "MACs were NOT checked") {
		t.Errorf("exit code %d, %s", code, stdout)
	}
}

func TestAKeyFileThatCannotBeReadIsAnError(t *testing.T) {
	config := stack.New(t)
	config.KeyFile = filepath.Join(t.TempDir(), "missing")
	if code, _, stderr := helfy(t, config, "audit", "verify"); code != 1 || !strings.Contains(stderr, "HELFY_KEY_FILE") {
		t.Errorf("exit code %d, %s", code, stderr)
	}
}

// Rows that the feed does not carry, or whose edits it does not. Each bend
// adds its findings to those of the ones before it.
func TestWhatIsStoredIsHeldUpAgainstTheLog(t *testing.T) {
	const session = "INSERT INTO sessions (id, user_id, token_hash, issued_at, expires_at, last_seen_at, key_id, mac) " +
		"VALUES ('%s', 2, REPEAT('%[1]s.', 32), NOW(), NOW() + INTERVAL 1 DAY, NOW(), 'k', REPEAT('b', 64))"
	const alices = "aggregatetype = 'user' AND aggregateid = '2' AND seq = "
	config, client := busy(t)
	seen := map[string]bool{}
	for _, bend := range []struct{ name, statement, table, kinds string }{
		{"nothing", "DO 1", "", ""},
		{"outbox row edited", "UPDATE outbox SET payload = CONCAT(payload, ' ') WHERE " + alices + "2", "outbox", "chain-edit"},
		{"outbox row removed", "DELETE FROM outbox WHERE " + alices + "3", "outbox", "chain-gap"},
		{"password hash written", "UPDATE credentials SET password_hash = CONCAT(password_hash, 'x') WHERE user_id = 2", "credentials", "credential-mac"},
		{"session written", fmt.Sprintf(session, "f"), "sessions", "session-mac"},
		{"session without an id", fmt.Sprintf(session, ""), "sessions", "session-mac"},
		{"head of a chain bent", "UPDATE event_chains SET event_seq = event_seq + 1 WHERE aggregatetype <> 'reader' LIMIT 1", "event_chains", "chain-edit"},
		{"role written", "UPDATE users SET role = 'admin' WHERE id = 2", "users", "unattributed-change"},
		{"event copied", "INSERT INTO outbox SELECT UUID(), aggregatetype, aggregateid, type, payload, metadata, seq + 1000, prev_hash, hash, key_id, occurred_at " +
			"FROM outbox WHERE " + alices + "4", "outbox", "bad-mac event-without-change"},
	} {
		exec(t, config, bend.statement)
		eventuallyComplete(t, client, login(t, client, "admin"))
		var kinds []string
		for _, f := range verify(t, config, "--from", "table").Findings {
			name := f.Kind + " " + f.Table + " " + f.RowKey
			if seen[name] {
				continue
			}
			seen[name] = true
			if kinds = append(kinds, f.Kind); f.Table != bend.table || f.Detail == "" {
				t.Errorf("%s: finding %+v", bend.name, f)
			}
		}
		if got := strings.Join(kinds, " "); got != bend.kinds {
			t.Errorf("%s: new findings %q, want %q", bend.name, got, bend.kinds)
		}
	}
	if alices := verify(t, config, "--from", "table", "--user", "alice").Findings; len(alices) != len(seen)-1 {
		t.Errorf("of %d findings all but one are alice's, got %+v", len(seen), alices)
	}
	requireClean(t, config, "--from", "table", "--user", "bob")
}

func TestWhatTheServiceHasReplacedCannotBePutBack(t *testing.T) {
	config, client := busy(t)
	token := login(t, client, "alice")
	for _, table := range []string{"sessions", "credentials"} {
		exec(t, config, "CREATE TABLE kept_"+table+" LIKE "+table)
		exec(t, config, "INSERT INTO kept_"+table+" SELECT * FROM "+table)
	}
	sendJSON(t, client, "POST", "/api/password", token, passwords("alice", strong), 204)
	eventuallyComplete(t, client, login(t, client, "admin"))
	requireClean(t, config, "--from", "table")
	exec(t, config, "REPLACE INTO sessions SELECT * FROM kept_sessions WHERE user_id = 2 AND revoked_at IS NULL")
	exec(t, config, "REPLACE INTO credentials SELECT * FROM kept_credentials WHERE user_id = 2")
	report := requireOutcome(t, config, []string{"credential-mac", "session-mac"}, "--from", "table")
	requireOutcome(t, config, report.kinds(), "--from", "table", "--user", "alice")
}

func TestFindingsCanBeKeptToAUserByAnyNameThatItHad(t *testing.T) {
	config, client := busy(t)
	exec(t, config, "UPDATE users SET username = 'alicia' WHERE id = 2")
	exec(t, config, "UPDATE users SET status = 'disabled' WHERE id = 3")
	eventuallyComplete(t, client, login(t, client, "admin"))
	for _, from := range []string{"kafka", "table", export(t, config)} {
		requireOutcome(t, config, []string{"unattributed-change", "unattributed-change"}, "--from", from)
		code, text, stderr := helfy(t, config, "audit", "verify", "--from", from)
		for _, want := range []string{"unattributed-change  user 2 (\"alicia\")  " + config.ChangesTopic + "[", "verified through", "findings          2\n"} {
			if code != 1 || !strings.Contains(text, want) || stderr != "helfy: the audit trail is not clean\n" {
				t.Errorf("from %s: exit code %d, %s%s, want %q", from, code, text, stderr, want)
			}
		}
		for _, name := range []string{"alice", "alicia"} {
			report := requireOutcome(t, config, []string{"unattributed-change"}, "--from", from, "--user", name)
			if report.Findings[0].UserID != 2 || !strings.Contains(report.Findings[0].Detail, `"alice" → "alicia"`) {
				t.Errorf("from %s: %+v", from, report.Findings)
			}
		}
		if code, _, stderr := helfy(t, config, "audit", "verify", "--from", from, "--user", "nobody"); code != 1 || !strings.Contains(stderr, "nobody") {
			t.Errorf("from %s, an unknown user: exit code %d, %s", from, code, stderr)
		}
	}
}

func TestATableThatIsNotFedIsAnErrorAndNoVerdict(t *testing.T) {
	config := stack.New(t)
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	ctxBound := config
	ctxBound.ChangesTopic += "-missing"
	if code, _, stderr := helfy(t, ctxBound, "audit", "verify"); code != 1 || !strings.Contains(stderr, ctxBound.ChangesTopic) {
		t.Errorf("a missing topic: exit code %d, %s", code, stderr)
	}
	if code, _, stderr := helfy(t, config, "audit", "verify", "--from", filepath.Join(t.TempDir(), "none")); code != 1 || !strings.Contains(stderr, "none") {
		t.Errorf("a missing folder: exit code %d, %s", code, stderr)
	}
}

func TestTheExportIsNotWrittenOverAnything(t *testing.T) {
	config, _ := busy(t)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "mine"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, stderr := helfy(t, config, "audit", "export-topics", dir); code != 1 || !strings.Contains(stderr, "mine") {
		t.Errorf("exit code %d, %s", code, stderr)
	}
}
