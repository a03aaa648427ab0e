package service_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"helfy/adapters/tidb"
	"helfy/app/projection"
	"helfy/domain"
	"helfy/internal/stack"
	"helfy/service"
)

// deadLetters returns those of a generation of the audit log, 0 for the live
// one.
func deadLetters(t *testing.T, config service.Config, generation int) []projection.DeadLetter {
	t.Helper()
	var all []projection.DeadLetter
	filter := projection.DeadLetterFilter{Projection: projection.AuditName, Generation: generation}
	err := config.DeadLetters(t.Context(), filter, 1<<20, func(letter projection.DeadLetter) error {
		all = append(all, letter)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// awaitDeadLetter waits until a record is a dead letter of the audit log in a
// state.
func awaitDeadLetter(t *testing.T, config service.Config, at projection.Place, state projection.DeadLetterState) projection.DeadLetter {
	t.Helper()
	var found projection.DeadLetter
	stack.Eventually(t, wait, func() error {
		letters := deadLetters(t, config, 0)
		i := slices.IndexFunc(letters, func(letter projection.DeadLetter) bool { return letter.Place == at && letter.State() == state })
		if i < 0 {
			return fmt.Errorf("%s is no dead letter that is %s: %+v", at, state, letters)
		}
		found = letters[i]
		return nil
	})
	return found
}

// poisoned writes a record that nobody understands into the events' topic and
// waits until it is a dead letter of the projections.
func poisoned(t *testing.T, config service.Config, value string, projections ...string) projection.Place {
	t.Helper()
	at := projection.Place{Topic: config.EventsTopic, Offset: stack.Produce(t, config, config.EventsTopic, 0, value)}
	awaitState(t, config, at, projection.DeadLetterOpen, append([]string{projection.AuditName, projection.LoginsName}, projections...))
	return at
}

// awaitState waits until a record is a dead letter of some projections, and of
// no others, in a state.
func awaitState(t *testing.T, config service.Config, at projection.Place, state projection.DeadLetterState, projections []string) {
	t.Helper()
	stack.Eventually(t, wait, func() error {
		var names []string
		err := config.DeadLetters(t.Context(), projection.DeadLetterFilter{State: state, Place: &at}, 0, func(letter projection.DeadLetter) error {
			names = append(names, letter.Projection)
			return nil
		})
		if err == nil && !slices.Equal(names, projections) {
			err = fmt.Errorf("%s is %s in %v, want %v", at, state, names, projections)
		}
		return err
	})
}

// misunderstood makes the first login a dead letter, as an older version of
// the service would have that did not know such events: its entries are gone.
func misunderstood(t *testing.T, config service.Config) projection.Place {
	t.Helper()
	db := stack.DB(t, config)
	var at projection.Place
	err := db.QueryRowContext(t.Context(), `
		SELECT topic, kafka_partition, kafka_offset FROM projection_audit_entries WHERE event_type = ? ORDER BY commit_ts LIMIT 1`,
		domain.LoginSuccess).Scan(&at.Topic, &at.Partition, &at.Offset)
	if err != nil {
		t.Fatal(err)
	}
	record := readRecord(t, config, at)
	digest := sha256.Sum256(record.Value)
	tx, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, statement := range []struct {
		sql  string
		args []any
	}{
		{`INSERT INTO projection_dead_letters (projection, generation, topic, kafka_partition, kafka_offset, value, size, digest, reason, kafka_at)
			SELECT projection, generation, topic, kafka_partition, ?, ?, ?, ?, 'an older version says so', ? FROM projection_checkpoints
			WHERE projection = 'audit' AND topic = ? AND kafka_partition = ?`,
			[]any{at.Offset, record.Value, len(record.Value), hex.EncodeToString(digest[:]), record.At, at.Topic, at.Partition}},
		{"DELETE FROM projection_audit_entries WHERE topic = ? AND kafka_partition = ? AND kafka_offset = ?",
			[]any{at.Topic, at.Partition, at.Offset}},
	} {
		if _, err := tx.ExecContext(t.Context(), statement.sql, statement.args...); err != nil {
			t.Fatal(errors.Join(err, tx.Rollback()))
		}
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	return at
}

func readRecord(t *testing.T, config service.Config, at projection.Place) (record projection.Record) {
	t.Helper()
	partition := projection.Partition{Topic: at.Topic, Partition: at.Partition}
	err := config.Kafka().Read(t.Context(), partition, at.Offset, at.Offset+1, func(records []projection.Record) error {
		record = records[0]
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return record
}

// retry tries a dead letter again, or, without a place, all.
func retry(t *testing.T, config service.Config, at *projection.Place) (all []projection.RetriedLetter, err error) {
	t.Helper()
	err = config.RetryDeadLetters(t.Context(), "", at, func(retried projection.RetriedLetter) error {
		all = append(all, retried)
		return nil
	})
	return all, err
}

// waive waives a dead letter and waits until that holds.
func waive(t *testing.T, config service.Config, at projection.Place) {
	t.Helper()
	if _, err := config.WaiveDeadLetter(t.Context(), "", at, "a test wrote it", "Alice"); err != nil {
		t.Fatal(err)
	}
	letter := awaitDeadLetter(t, config, at, projection.DeadLetterWaived)
	if w := letter.Waived; w.Reason != "a test wrote it" || w.By != "Alice" {
		t.Errorf("%s is waived by %s: %s", at, w.By, w.Reason)
	}
}

func requireCount(t *testing.T, config service.Config, generation int, open, waived int64) {
	t.Helper()
	gotOpen, gotWaived, err := tidb.NewDeadLetters(stack.DB(t, config)).Count(t.Context(), projection.AuditName, generation)
	if err != nil || gotOpen != open || gotWaived != waived {
		t.Errorf("generation %d has %d open dead letters and %d waived, %v; want %d and %d", generation, gotOpen, gotWaived, err, open, waived)
	}
}

func TestDeadLettersAreListedAndShownWithoutTouchingTheTerminal(t *testing.T) {
	config := stack.New(t)
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	stack.Run(t, config)
	text := poisoned(t, config, `{"type":"`+"\x1b]0;owned\x07\u202e"+`"`)
	binary := poisoned(t, config, "\x00\xff\x1b[2J")
	waive(t, config, binary)

	code, stdout, stderr := helfy(t, config, "deadletters")
	if code != 0 || strings.Contains(stdout, "\x1b") || !strings.Contains(stdout, "2 open, 2 waived\n") ||
		!strings.Contains(stdout, "audit       "+text.String()) {
		t.Errorf("exit code %d, %q%s", code, stdout, stderr)
	}
	for state, want := range map[string]projection.Place{"open": text, "waived": binary} {
		code, stdout, stderr := helfy(t, config, "deadletters", "list", "--state", state, "--json", "--projection", "audit")
		var line struct {
			Topic, State, Reason, Digest string
			Partition                    int32
			Offset, Size                 int64
			Waiver                       *struct{ By, Reason string }
		}
		if err := json.Unmarshal([]byte(stdout), &line); err != nil || code != 0 {
			t.Fatalf("%s: exit code %d, %v, %s%s", state, code, err, stdout, stderr)
		}
		if (projection.Place{Topic: line.Topic, Partition: line.Partition, Offset: line.Offset}) != want || line.State != state ||
			line.Reason == "" || len(line.Digest) != 64 || line.Size == 0 || (line.Waiver != nil) != (state == "waived") {
			t.Errorf("%s: %+v", state, line)
		}
	}
	for _, shown := range []struct {
		at   projection.Place
		args []string
		want string
	}{
		{text, nil, "\n{\"type\":\"\\x1b]0;owned\\a\\u202e\"\n"},
		{text, []string{"--bytes", "3"}, "\n{\"t\n... and "},
		{binary, nil, "00000000  00 ff 1b 5b 32 4a "},
		{binary, []string{"--as", "text"}, `\x00\xff\x1b[2J`},
		{binary, []string{"--as", "base64"}, "AP8bWzJK"},
		{binary, []string{"--json"}, `"value":"AP8bWzJK"`},
		{binary, nil, "waived      by Alice, "},
	} {
		code, stdout, stderr := helfy(t, config, append([]string{"deadletters", "show", shown.at.String()}, shown.args...)...)
		if code != 0 || !strings.Contains(stdout, shown.want) || strings.ContainsAny(stdout, "\x1b\x07\x00\u202e") {
			t.Errorf("%s %v: exit code %d, %q%s, want %q", shown.at, shown.args, code, stdout, stderr, shown.want)
		}
	}
}

func TestWhatIsNoDeadLetterIsNamed(t *testing.T) {
	config := stack.New(t)
	for _, args := range [][]string{
		{"show", "topic/0/1"}, {"retry", "topic/0/1"}, {"waive", "topic/0/1", "--reason", "none", "--by", "Alice"},
	} {
		code, _, stderr := helfy(t, config, append([]string{"deadletters"}, args...)...)
		if code != 1 || !strings.Contains(stderr, "topic/0/1: no such dead letter") {
			t.Errorf("%v: exit code %d, %s", args, code, stderr)
		}
	}
	if code, _, stderr := helfy(t, config, "deadletters", "list", "--projection", "none"); code != 1 || !strings.Contains(stderr, "there are: audit") {
		t.Errorf("exit code %d, %s", code, stderr)
	}
}

func TestADeadLetterThatIsStillNotUnderstoodStaysWithItsNewReason(t *testing.T) {
	config := stack.New(t)
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	stack.Run(t, config)
	at := poisoned(t, config, "poison")
	exec(t, config, "UPDATE projection_dead_letters SET reason = 'an older version says so'")
	code, stdout, stderr := helfy(t, config, "deadletters", "retry", at.String())
	if code != 1 || !strings.Contains(stdout, at.String()+"  still open: ") || !strings.Contains(stderr, "2 dead letters are still not understood") {
		t.Errorf("exit code %d, %s%s", code, stdout, stderr)
	}
	letter := awaitDeadLetter(t, config, at, projection.DeadLetterOpen)
	if strings.Contains(letter.Reason, "older version") || string(letter.Value) != "poison" {
		t.Errorf("it is %+v", letter)
	}
	waive(t, config, at)
	if code, stdout, stderr := helfy(t, config, "deadletters", "retry", "--all"); code != 0 || !strings.Contains(stdout, "2 still waived") {
		t.Errorf("a waived one: exit code %d, %s%s", code, stdout, stderr)
	}
}

func TestADeadLetterThatIsUnderstoodBecomesItsEntryInEveryGenerationWhileOthersCome(t *testing.T) {
	config := stack.New(t)
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	client, _ := stack.Run(t, config)
	token := login(t, client, "admin")
	eventuallyComplete(t, client, token)
	if _, err := rebuild(t, config, projection.RebuildOptions{}); err != nil {
		t.Fatal(err)
	}
	stack.RequireNoFindings(t, config)
	before := wholeLog(t, client, token)
	at := misunderstood(t, config)
	requireCount(t, config, 1, 1, 0)
	requireCount(t, config, 2, 1, 0)

	ctx, stop := context.WithCancel(t.Context())
	logins := make(chan error, 1)
	go func() {
		var err error
		for err == nil && ctx.Err() == nil {
			_, err = client.Login(t.Context(), "admin", "admin")
		}
		logins <- err
	}()
	retried, err := retry(t, config, nil)
	stop()
	if err := <-logins; err != nil {
		t.Error(err)
	}
	if err != nil || len(retried) != 1 || retried[0].Place != at || retried[0].Reason != "" || retried[0].Rows != 1 {
		t.Fatalf("retried %+v, %v", retried, err)
	}
	for generation := 1; generation <= 2; generation++ {
		requireCount(t, config, generation, 0, 0)
	}
	after := wholeLog(t, client, token)
	for _, entry := range before {
		if !slices.ContainsFunc(after, func(e stack.Entry) bool { return e.ID == entry.ID && e.CommitTs == entry.CommitTs }) {
			t.Errorf("%s is not in the log", entry.ID)
		}
	}
	stack.RequireNoFindings(t, config)
	if again, err := retry(t, config, &at); !errors.Is(err, projection.ErrNoDeadLetter) {
		t.Errorf("once more: %+v, %v", again, err)
	}
	if rebuilt, err := rebuild(t, config, projection.RebuildOptions{VerifyOnly: true}); err != nil || !rebuilt.Equal {
		t.Errorf("a rebuild differs: %+v, %v", rebuilt, err)
	}
}

func TestVerificationIsToldOfAnEntryThatWasADeadLetter(t *testing.T) {
	config := stack.New(t)
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	client, _ := stack.Run(t, config)
	login(t, client, "admin")
	stack.RequireNoFindings(t, config)
	at := misunderstood(t, config)
	exec(t, config, "UPDATE projection_audit_verification SET pass = pass + 1, verified_through = 0, state = '{}'")
	found := stack.VerifiedFindings(t, config)
	if len(found) != 1 || found[0].Kind != domain.UnattributedChange {
		t.Fatalf("without the entry %+v was found", found)
	}
	if _, err := retry(t, config, &at); err != nil {
		t.Fatal(err)
	}
	stack.Eventually(t, wait, func() error {
		if found := stack.VerifiedFindings(t, config); len(found) != 0 {
			return fmt.Errorf("with the entry %+v is found", found)
		}
		return nil
	})
}

func TestADeadLetterThatIsNotKeptWholeCannotBeRetried(t *testing.T) {
	config := stack.New(t)
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	client, _ := stack.Run(t, config)
	login(t, client, "admin")
	stack.RequireNoFindings(t, config)
	at := misunderstood(t, config)
	exec(t, config, "UPDATE projection_dead_letters SET value = REPLACE(value, 'LOGIN_SUCCESS', 'LOGIN_FAILURE')")
	retried, err := retry(t, config, &at)
	if err != nil || len(retried) != 1 || !strings.Contains(retried[0].Reason, projection.ErrNotWhole.Error()) {
		t.Errorf("retried %+v, %v", retried, err)
	}
	if _, err := config.WaiveDeadLetter(t.Context(), "", at, "none", "Alice"); !errors.Is(err, projection.ErrNotWhole) {
		t.Errorf("waived what somebody has changed: %v", err)
	}
	requireCount(t, config, 1, 1, 0)
}

func TestARebuildEndsWithTheSameDeadLettersInTheSameStates(t *testing.T) {
	config := stack.New(t)
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	client, _ := stack.Run(t, config)
	waived := poisoned(t, config, "waived")
	open := poisoned(t, config, "open")
	waive(t, config, waived)
	token := login(t, client, "admin")
	eventuallyComplete(t, client, token)
	if rebuilt, err := rebuild(t, config, projection.RebuildOptions{}); err != nil || !rebuilt.Switched {
		t.Fatalf("%+v, %v", rebuilt, err)
	}
	for generation := 1; generation <= 2; generation++ {
		letters := deadLetters(t, config, generation)
		if len(letters) != 2 || letters[0].Place != waived || letters[0].State() != projection.DeadLetterWaived ||
			letters[1].Place != open || letters[1].State() != projection.DeadLetterOpen {
			t.Errorf("generation %d has %+v", generation, letters)
		}
		requireCount(t, config, generation, 1, 1)
	}
	exec(t, config, "UPDATE projection_dead_letters SET value = 'changed by hand' WHERE value = 'open'")
	var differences []projection.Difference
	rebuilt, err := rebuild(t, config, projection.RebuildOptions{VerifyOnly: true, Difference: func(d projection.Difference) error {
		differences = append(differences, d)
		return nil
	}})
	if err == nil && rebuilt.Equal || len(differences) != 1 || *differences[0].Key["kafka_offset"] != fmt.Sprint(open.Offset) {
		t.Errorf("%+v, %v, differences %+v", rebuilt, err, differences)
	}
}
