package service_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"helfy/adapters/tidb"
	"helfy/app/projection"
	"helfy/domain"
	"helfy/internal/stack"
	"helfy/service"
)

// newLog runs the service and logs admin in, so that the audit log has
// entries. They are verified: what a test does to them is no finding. The
// token is the admin's.
func newLog(t *testing.T) (config service.Config, client *stack.Client, token string, stop func()) {
	t.Helper()
	config = stack.New(t)
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	client, stop = stack.Run(t, config)
	token = login(t, client, "admin")
	eventuallyComplete(t, client, token)
	stack.RequireNoFindings(t, config)
	stack.AwaitWorker(t, config)
	return config, client, token, stop
}

// requireGone checks that nothing is left of a generation.
func requireGone(t *testing.T, config service.Config, generation int) {
	t.Helper()
	for _, rows := range []string{
		"projection_checkpoints WHERE projection = 'audit' AND", "projection_dead_letters WHERE projection = 'audit' AND",
		"projection_audit_entries WHERE", "projection_audit_findings WHERE", "projection_audit_waivers WHERE",
		"projection_audit_chains WHERE", "projection_audit_verification WHERE",
	} {
		if n := scalar[int](t, config, "SELECT COUNT(*) FROM "+rows+" generation = ?", generation); n != 0 {
			t.Errorf("%d rows of generation %d are left: %s", n, generation, rows)
		}
	}
}

// states returns the states of the audit log's generations.
func states(t *testing.T, config service.Config) (all string) {
	t.Helper()
	err := stack.DB(t, config).QueryRowContext(t.Context(), `
		SELECT GROUP_CONCAT(state ORDER BY generation SEPARATOR ' ') FROM projection_generations WHERE projection = 'audit'`).Scan(&all)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func requireStates(t *testing.T, config service.Config, want string) {
	t.Helper()
	if got := states(t, config); got != want {
		t.Errorf("the generations are %s, want %s", got, want)
	}
}

func mustRebuild(t *testing.T, config service.Config, options projection.RebuildOptions) projection.Rebuilt {
	t.Helper()
	rebuilt, err := rebuild(t, config, options)
	if err != nil {
		t.Fatal(err)
	}
	return rebuilt
}

func TestAPrunedGenerationIsNotFedAgainAndItsNumberNotUsedAgain(t *testing.T) {
	config, _, _, stop := newLog(t)
	mustRebuild(t, config, projection.RebuildOptions{})
	requireStates(t, config, "standby live")
	if removed, err := config.Prune(t.Context(), projection.AuditName); err != nil || fmt.Sprint(removed) != "[1]" {
		t.Fatalf("pruned %v, %v", removed, err)
	}
	requireGone(t, config, 1)
	stop()
	client, _ := stack.Run(t, config)
	token := login(t, client, "admin")
	eventuallyComplete(t, client, token)
	requireGone(t, config, 1)
	if rebuilt := mustRebuild(t, config, projection.RebuildOptions{}); rebuilt.Generation != 3 || !rebuilt.Switched {
		t.Errorf("rebuilt %+v", rebuilt)
	}
	requireStates(t, config, "pruned standby live")
}

func TestAVerificationLeavesNothingBehind(t *testing.T) {
	config, _, _, _ := newLog(t)
	if rebuilt := mustRebuild(t, config, projection.RebuildOptions{VerifyOnly: true}); !rebuilt.Equal || !rebuilt.Discarded {
		t.Errorf("rebuilt %+v", rebuilt)
	}
	requireStates(t, config, "live pruned")
	requireGone(t, config, 2)
}

func TestARebuildThatWasCutOffWhileItComparedGoesOnThere(t *testing.T) {
	config, _, _, _ := newLog(t)
	exec(t, config, "UPDATE projection_audit_entries SET username = 'mallory' WHERE event_type = 'LOGIN_SUCCESS'")
	full := errors.New("the disk is full")
	_, err := rebuild(t, config, projection.RebuildOptions{Difference: func(projection.Difference) error { return full }})
	if !errors.Is(err, full) {
		t.Fatal(err)
	}
	requireStates(t, config, "live checking")
	exec(t, config, "UPDATE projection_audit_entries SET username = 'admin' WHERE event_type = 'LOGIN_SUCCESS'")
	rebuilt := mustRebuild(t, config, projection.RebuildOptions{})
	if !rebuilt.Resumed || rebuilt.Generation != 2 || rebuilt.Records != 0 || !rebuilt.Switched {
		t.Errorf("rebuilt %+v", rebuilt)
	}
}

func TestAGenerationThatDiffersIsKeptUntilTheNextRebuild(t *testing.T) {
	config, _, _, _ := newLog(t)
	exec(t, config, "DELETE FROM projection_audit_entries WHERE event_type = 'LOGIN_SUCCESS'")
	for range 2 {
		if _, err := rebuild(t, config, projection.RebuildOptions{}); !errors.Is(err, projection.ErrDiffers) {
			t.Fatal(err)
		}
	}
	requireStates(t, config, "live pruned standby")
	if rebuilt := mustRebuild(t, config, projection.RebuildOptions{AcceptDifference: true}); rebuilt.Equal || !rebuilt.Switched {
		t.Errorf("rebuilt %+v", rebuilt)
	}
	requireStates(t, config, "standby pruned pruned live")
}

// New code must not finish what other code has begun.
func TestARebuildThatAcceptsADifferenceBeginsAnew(t *testing.T) {
	config, _, _, _ := newLog(t)
	ctx, cancel := context.WithCancel(t.Context())
	_, err := config.Rebuild(ctx, projection.AuditName, projection.RebuildOptions{}, func(p projection.Progress) {
		if p.Stage == projection.StageJoin {
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	requireStates(t, config, "live building")
	if rebuilt := mustRebuild(t, config, projection.RebuildOptions{AcceptDifference: true}); rebuilt.Resumed || rebuilt.Generation != 3 {
		t.Errorf("rebuilt %+v", rebuilt)
	}
	requireGone(t, config, 2)
}

func TestASecondRebuildAtOnceIsRefusedAndToldWhoIsAtIt(t *testing.T) {
	config, _, _, _ := newLog(t)
	reading, goOn := make(chan struct{}), make(chan struct{})
	ended := make(chan error, 1)
	go func() {
		first := true
		_, err := config.Rebuild(t.Context(), projection.AuditName, projection.RebuildOptions{}, func(projection.Progress) {
			if first {
				first = false
				close(reading)
				<-goOn
			}
		})
		ended <- err
	}()
	<-reading
	for what, err := range map[string]error{
		"rebuild":  second(config.Rebuild(t.Context(), projection.AuditName, projection.RebuildOptions{}, nil)),
		"rollback": second(config.Rollback(t.Context(), projection.AuditName)),
		"prune":    second(config.Prune(t.Context(), projection.AuditName)),
	} {
		if !errors.Is(err, tidb.ErrHeld) || !strings.Contains(err.Error(), "process ") {
			t.Errorf("a %s meanwhile: %v", what, err)
		}
	}
	close(goOn)
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func second[T any](_ T, err error) error { return err }

// A message that TiDB refuses is a dead letter in each generation.
func TestARebuildEndsWithTheSameDeadLetters(t *testing.T) {
	config := stack.New(t)
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	allowHugeMessages(t, config, config.ChangesTopic)
	for _, value := range []string{
		with(`"username":"x"`, `"username":"x","more":"`+strings.Repeat("x", 7_000_000)+`"`),
		with(`"table":"users"`, `"table":"other"`),
		"no JSON",
	} {
		stack.Produce(t, config, config.ChangesTopic, 0, strings.Replace(value, "DATABASE", config.TiDBDatabase, 1))
	}
	client, _ := stack.Run(t, config)
	token := login(t, client, "admin")
	eventuallyComplete(t, client, token)
	if rebuilt := mustRebuild(t, config, projection.RebuildOptions{}); !rebuilt.Equal {
		t.Errorf("rebuilt %+v", rebuilt)
	}
	same := scalar[int](t, config, `
		SELECT COUNT(*) FROM projection_dead_letters a JOIN projection_dead_letters b
		  ON a.topic = b.topic AND a.kafka_partition = b.kafka_partition AND a.kafka_offset = b.kafka_offset
		WHERE a.projection = 'audit' AND b.projection = 'audit' AND a.generation = 1 AND b.generation = 2
		  AND a.value = b.value AND a.reason = b.reason`)
	if all := scalar[int](t, config, "SELECT COUNT(*) FROM projection_dead_letters WHERE projection = 'audit'"); same != 3 || all != 6 {
		t.Errorf("%d of %d dead letters are the same in both generations, want 3 of 6", same, all)
	}
}

func TestADifferenceByHandIsShownRowByRow(t *testing.T) {
	config, _, _, _ := newLog(t)
	exec(t, config, "UPDATE projection_audit_entries SET username = 'mallory' WHERE event_type = 'LOGIN_SUCCESS'")
	exec(t, config, "DELETE FROM projection_audit_entries WHERE event_type = 'USER_CREATED'")
	exec(t, config, `INSERT INTO projection_audit_entries (generation, commit_ts, table_name, row_key, source, topic, kafka_partition, kafka_offset)
		VALUES (1, 7, 'users', 'added', 'change', 't', 0, 0)`)
	var shown []projection.Difference
	_, err := rebuild(t, config, projection.RebuildOptions{VerifyOnly: true, Difference: func(d projection.Difference) error {
		shown = append(shown, d)
		return nil
	}})
	if !errors.Is(err, projection.ErrDiffers) || len(shown) != 3 {
		t.Fatalf("%d differences, %v", len(shown), err)
	}
	if d := shown[0]; d.New != nil || *d.Key["row_key"] != "added" || *d.Key["commit_ts"] != "7" {
		t.Errorf("the added row is shown as %+v", d)
	}
	if d := shown[1]; d.Live != nil || *d.New["event_type"] != "USER_CREATED" {
		t.Errorf("the deleted row is shown as %+v", d)
	}
	if d := shown[2]; *d.Live["username"] != "mallory" || *d.New["username"] != "admin" {
		t.Errorf("the changed row is shown as %+v", d)
	}
	requireStates(t, config, "live pruned")
}

func TestTheCommandTellsHowARebuildEnded(t *testing.T) {
	config, _, _, _ := newLog(t)
	if code, stdout, stderr := helfy(t, config, "rebuild", "audit", "--verify"); code != 0 ||
		!strings.Contains(stdout, "generation 2 (4 rows, digest ") || !strings.Contains(stdout, " is equal to the live generation 1 (4 rows") ||
		!strings.HasSuffix(stdout, ", and was thrown away\n") {
		t.Errorf("equal: exit code %d, %s%s", code, stdout, stderr)
	}
	if code, stdout, stderr := helfy(t, config, "rebuild", "adit"); code != 2 || !strings.Contains(stderr, "there are: audit") {
		t.Errorf("an unknown one: exit code %d, %s%s", code, stdout, stderr)
	}
	exec(t, config, "DELETE FROM projection_audit_entries WHERE event_type = 'LOGIN_SUCCESS'")
	if code, stdout, stderr := helfy(t, config, "rebuild", "audit"); code != 1 ||
		!strings.Contains(stdout, " differs from the live generation 1 (3 rows") || !strings.Contains(stdout, "and is kept beside it") ||
		!strings.Contains(stderr, "the rebuilt generation differs from the live one: 4 rows with digest ") {
		t.Errorf("a difference: exit code %d, %s%s", code, stdout, stderr)
	}
	code, stdout, stderr := helfy(t, config, "rebuild", "audit", "--accept-diff", "--diff", "--json")
	lines := strings.Split(strings.TrimSpace(stdout), "\n")
	if code != 0 || len(lines) != 2 || !strings.HasPrefix(lines[0], `{"kind":"difference","table":"projection_audit_entries",`) ||
		!strings.HasPrefix(lines[1], `{"kind":"result","generation":4,"live":1,`) || !strings.Contains(lines[1], `"switched":true`) {
		t.Errorf("an accepted difference: exit code %d, %s%s", code, stdout, stderr)
	}
}

func TestAPartitionThatIsAddedDuringARebuildIsReadToo(t *testing.T) {
	config, _, _, stop := newLog(t)
	stop()
	rebuilt, err := config.Rebuild(t.Context(), projection.AuditName, projection.RebuildOptions{}, func(p projection.Progress) {
		if p.Stage != projection.StageJoin {
			return
		}
		addPartition(t, config, config.EventsTopic)
		consumeWhile(t, config, func() {
			stack.Eventually(t, wait, func() error {
				if n := scalar[int](t, config, "SELECT COUNT(*) FROM projection_checkpoints WHERE projection = 'audit' AND fed"); n != 2*config.KafkaPartitions+1 {
					return fmt.Errorf("%d checkpoints", n)
				}
				return nil
			})
		})
	})
	if err != nil || !rebuilt.Switched {
		t.Fatalf("%+v, %v", rebuilt, err)
	}
	if n := scalar[int](t, config, "SELECT COUNT(*) FROM projection_checkpoints WHERE projection = 'audit' AND generation = 2 AND fed"); n != 2*config.KafkaPartitions+1 {
		t.Errorf("the new generation reads %d partitions", n)
	}
}

// A process that sleeps in the middle of a transaction must not hold up others
// for as long.
func TestTheLocksOfAProcessThatSleepsAreFreedInTime(t *testing.T) {
	config, _, _, _ := newLog(t)
	asleep, err := stack.ServiceDB(t, config).BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = asleep.Rollback() }() // TiDB has closed the connection
	if _, err := asleep.ExecContext(t.Context(), "UPDATE projection_checkpoints SET epoch = epoch + 1"); err != nil {
		t.Fatal(err)
	}
	if rebuilt := mustRebuild(t, config, projection.RebuildOptions{}); !rebuilt.Switched {
		t.Errorf("rebuilt %+v", rebuilt)
	}
	if _, err := asleep.ExecContext(t.Context(), "UPDATE projection_checkpoints SET watermark = 0"); err == nil {
		t.Error("the transaction goes on")
	}
}
