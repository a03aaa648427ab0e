package service_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"helfy/app/projection"
	"helfy/domain"
	"helfy/internal/stack"
	"helfy/service"
)

func statisticsOf(t *testing.T, client *stack.Client, token, query string) stack.LoginStatistics {
	t.Helper()
	statistics, err := client.Statistics(t.Context(), token, query)
	if err != nil {
		t.Fatal(err)
	}
	return statistics
}

// requireStatistics holds the statistics against the audit log and returns
// them, and what they sum up to: the greatest number of users of a day.
func requireStatistics(t *testing.T, config service.Config, client *stack.Client, token string) (days []stack.LoginBucket, sum stack.LoginBucket) {
	t.Helper()
	eventuallyComplete(t, client, token)
	days = stack.RequireStatisticsAsAudited(t, config, client, token)
	for _, day := range days {
		sum.Logins += day.Logins
		sum.Failures += day.Failures
		sum.Lockouts += day.Lockouts
		sum.Users = max(sum.Users, day.Users)
	}
	return days, sum
}

func asJSON(t *testing.T, value any) []byte {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// everyKindOfLogin makes 5 logins of 2 users, 22 refused ones, some of them in
// floods, and a lock.
func everyKindOfLogin(t *testing.T, config service.Config) {
	t.Helper()
	config.FloodThreshold, config.MaxFailures, config.LockTime, config.LockMax = 4, 3, time.Hour, time.Hour
	stack.AddUser(t, config, "alice", domain.RoleUser)
	wall := &clock{}
	startOfMinute(wall)
	logins, _ := newLogins(t, config, wall)
	for range 3 {
		if err := try(t, logins, "admin", "admin"); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if err := try(t, logins, "alice", "alice"); err != nil {
			t.Fatal(err)
		}
	}
	flood(t, logins, "alice", 12)
	flood(t, logins, "nobody", 10)
	if err := recorderOf(t, config).Handle(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestLoginStatisticsAreWhatTheAuditLogSays(t *testing.T) {
	config := stack.New(t)
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	everyKindOfLogin(t, config)
	client, _ := stack.Run(t, config)
	token := login(t, client, "admin")
	_, got := requireStatistics(t, config, client, token)
	if got.Logins != 6 || got.Failures != 22 || got.Lockouts != 1 || got.Users != 2 {
		t.Errorf("got %s, want 6 logins of 2 users, 22 failures and a lock", asJSON(t, got))
	}
}

func TestWhatComesAgainIsCountedOnce(t *testing.T) {
	config := stack.New(t)
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	everyKindOfLogin(t, config)
	client, stop := stack.Run(t, config)
	token := login(t, client, "admin")
	want, _ := requireStatistics(t, config, client, token)

	resend(t, config, config.EventsTopic) // at higher offsets, with greater lags
	if got, _ := requireStatistics(t, config, client, token); !reflect.DeepEqual(got, want) {
		t.Errorf("sent again: %s, want %s", asJSON(t, got), asJSON(t, want))
	}
	stop()
	// As after a restore of the checkpoints alone: all is read again, by two.
	exec(t, config, "UPDATE projection_checkpoints SET next_offset = first_offset WHERE projection = 'logins'")
	client, _ = stack.Run(t, config)
	stack.Run(t, config)
	if got, _ := requireStatistics(t, config, client, token); !reflect.DeepEqual(got, want) {
		t.Errorf("read again: %s, want %s", asJSON(t, got), asJSON(t, want))
	}
}

func TestBucketsInWhichNothingHappenedAreZeros(t *testing.T) {
	config := stack.New(t)
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	client := stack.Serve(t, config)
	token := login(t, client, "admin")
	for query, want := range map[string]struct {
		from, to string
		buckets  int
	}{
		"?from=2026-01-02T03:30:00Z&to=2026-01-02T05:00:00Z":                   {"2026-01-02T03:00:00Z", "2026-01-02T05:00:00Z", 2},
		"?from=2026-01-02T03:30:00%2B05:30&to=2026-01-02T03:31:00%2B05:30":     {"2026-01-01T22:00:00Z", "2026-01-01T23:00:00Z", 1},
		"?bucket=day&from=2026-01-02T03:30:00Z&to=2026-01-04T00:00:00.000001Z": {"2026-01-02T00:00:00Z", "2026-01-05T00:00:00Z", 3},
		"?to=2026-01-02T12:00:00Z":                                             {"2026-01-01T12:00:00Z", "2026-01-02T12:00:00Z", 24},
		"?bucket=day&to=2026-01-31T12:00:00Z":                                  {"2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z", 31},
		"?bucket=hour&from=2026-01-01T00:00:00Z&to=2026-02-11T16:00:00Z":       {"2026-01-01T00:00:00Z", "2026-02-11T16:00:00Z", 1000},
	} {
		got := statisticsOf(t, client, token, query)
		if got.From.Format(time.RFC3339) != want.from || got.To.Format(time.RFC3339) != want.to || len(got.Buckets) != want.buckets {
			t.Errorf("%s: %s to %s, %d buckets, want %+v", query, got.From, got.To, len(got.Buckets), want)
		}
		for i, bucket := range got.Buckets {
			if start := got.From.Add(time.Duration(i) * got.Bucket.Length()); (bucket != stack.LoginBucket{Start: start}) {
				t.Errorf("%s: bucket %d is %+v", query, i, bucket)
			}
		}
		if got.CompleteThrough != nil {
			t.Errorf("%s: complete through %s, but nothing was read", query, got.CompleteThrough)
		}
	}
}

func TestABadSpanIsNamed(t *testing.T) {
	config := stack.New(t)
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	client := stack.Serve(t, config)
	token := login(t, client, "admin")
	requireNamed(t, client, "/api/stats/logins", token, map[string]string{
		"bucket=week":               "query.bucket",
		"from=yesterday":            "query.from",
		"from=1969-01-01T00:00:00Z": "query.from",
		"to=1969-01-01T00:00:00Z":   "query.from",
		"from=1970-01-01T00:00:00Z&to=1969-01-01T00:00:00Z": "query.to",
		"to=9999-12-31T23:30:00Z":                           "query.to",
		"from=9998-01-01T00:00:00Z":                         "query.from",
		"from=2026-01-02T00:00:00Z&to=2026-01-02T00:00:00Z": "query.from",
		"from=2026-01-01T00:00:00Z&to=2026-02-11T16:00:01Z": "query.from", // 1001 hours
		"from=1970-01-01T00:00:00Z&to=9998-01-01T00:00:00Z": "query.from",
		"span=1": "query.span",
	})
}

func TestReadingStatisticsIsNoReadingOfTheTrail(t *testing.T) {
	config := stack.New(t)
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	client := stack.Serve(t, config)
	statisticsOf(t, client, login(t, client, "admin"), "")
	if read := payloads[struct{}](t, config, domain.AuditRead); len(read) != 0 {
		t.Errorf("%d readings are recorded", len(read))
	}
}

func TestALoginEventThatCannotBeUnderstoodIsToldWithTheStatistics(t *testing.T) {
	config := stack.New(t)
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	client, _ := stack.Run(t, config)
	token := login(t, client, "admin")
	exec(t, config, `INSERT INTO outbox (id, aggregatetype, aggregateid, type, payload, metadata, seq, prev_hash, hash, key_id, occurred_at)
		VALUES (UUID(), 'user', '77', 'LOGIN_FAILURE', '{"reason":"flood","count":-1}', '{}', 1, '', '', '', NOW())`)
	stack.Eventually(t, wait, func() error {
		statistics := statisticsOf(t, client, token, "")
		if statistics.DeadLetters != 1 {
			return fmt.Errorf("%d dead letters, want 1", statistics.DeadLetters)
		}
		for _, bucket := range statistics.Buckets {
			if bucket.Failures != 0 {
				t.Errorf("counted: %s", asJSON(t, bucket))
			}
		}
		return nil
	})
}

// The counters are kept: no answer may take the longer the more logins there
// are.
func TestStatisticsAreReadFromARangeOfCounters(t *testing.T) {
	config := stack.New(t)
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	client, _ := stack.Run(t, config)
	requireStatistics(t, config, client, login(t, client, "admin"))
	rows, err := stack.DB(t, config).QueryContext(t.Context(), `
		EXPLAIN SELECT starts_at, measure, cell, count FROM projection_login_counts
		WHERE generation = (SELECT generation FROM projection_generations WHERE projection = 'logins' AND state = 'live')
		  AND period = 'hour' AND starts_at >= 1700000000 AND starts_at < 1700086400
		ORDER BY starts_at, measure, cell`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var plan []string
	for rows.Next() {
		var id, estimate, task, object, info string
		if err := rows.Scan(&id, &estimate, &task, &object, &info); err != nil {
			t.Fatal(err)
		}
		plan = append(plan, strings.Join([]string{id, object, info}, " "))
	}
	text := strings.Join(plan, "\n")
	if err := rows.Err(); err != nil || !strings.Contains(text, `range:[1 "hour" 1700000000,1 "hour" 1700086400)`) ||
		strings.Contains(text, "Sort") || strings.Contains(text, "FullScan") {
		t.Errorf("%v, plan:\n%s", err, text)
	}
}

func TestRebuiltStatisticsAreTheSame(t *testing.T) {
	config := stack.New(t)
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	everyKindOfLogin(t, config)
	client, _ := stack.Run(t, config)
	token := login(t, client, "admin")
	want, sum := requireStatistics(t, config, client, token)
	resend(t, config, config.EventsTopic)

	rebuilt, err := config.Rebuild(t.Context(), projection.LoginsName, projection.RebuildOptions{}, nil)
	if err != nil || !rebuilt.Switched || rebuilt.Generation != 2 || rebuilt.New.Rows == 0 {
		t.Fatalf("%+v, %v", rebuilt, err)
	}
	if got, _ := requireStatistics(t, config, client, token); !reflect.DeepEqual(got, want) {
		t.Errorf("rebuilt: %s, want %s", asJSON(t, got), asJSON(t, want))
	}
	login(t, client, "admin")
	if number, err := config.Rollback(t.Context(), projection.LoginsName); err != nil || number != 1 {
		t.Fatalf("rolled back to %d, %v", number, err)
	}
	if _, got := requireStatistics(t, config, client, token); got.Logins != sum.Logins+1 {
		t.Errorf("rolled back: %d logins, want one more than %d", got.Logins, sum.Logins)
	}
}

func TestStatisticsAreRebuiltWithoutAConsumer(t *testing.T) {
	config := stack.New(t)
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	client, stop := stack.Run(t, config)
	requireStatistics(t, config, client, login(t, client, "admin"))
	stop()
	client = stack.Serve(t, config)
	token := login(t, client, "admin") // which nobody has read
	stack.Eventually(t, wait, func() error {
		partitions, err := config.Kafka().Partitions(t.Context(), config.EventsTopic)
		records := 0
		for _, p := range partitions {
			records += int(p.End)
		}
		if read := scalar[int](t, config, "SELECT SUM(next_offset) FROM projection_checkpoints WHERE projection = 'logins'"); err == nil && read >= records {
			err = fmt.Errorf("%d of %d records are read", read, records)
		}
		return err
	})
	rebuilt, err := config.Rebuild(t.Context(), projection.LoginsName, projection.RebuildOptions{}, nil)
	if err != nil || !rebuilt.Equal || !rebuilt.Switched {
		t.Fatalf("%+v, %v", rebuilt, err)
	}
	client, _ = stack.Run(t, config)
	if _, got := requireStatistics(t, config, client, token); got.Logins != 2 {
		t.Errorf("%d logins are counted, want 2", got.Logins)
	}
}

func TestACounterChangedByHandMakesARebuildDiffer(t *testing.T) {
	config := stack.New(t)
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	client, _ := stack.Run(t, config)
	token := login(t, client, "admin")
	requireStatistics(t, config, client, token)
	for name, edit := range map[string]struct {
		statement, key string
		live, rebuilt  bool
	}{
		"changed": {"UPDATE projection_login_counts SET count = 7 WHERE period = 'hour' AND measure = 'logins'", `"measure":"logins"`, true, true},
		"deleted": {"DELETE FROM projection_login_counts WHERE period = 'day' AND measure = 'users'", `"measure":"users"`, false, true},
		"added": {`INSERT INTO projection_login_counts
			SELECT generation, period, starts_at, 'lockouts', 0, 1 FROM projection_login_counts WHERE period = 'day' AND measure = 'logins'`,
			`"measure":"lockouts"`, true, false},
	} {
		exec(t, config, edit.statement)
		var differences []projection.Difference
		rebuilt, err := config.Rebuild(t.Context(), projection.LoginsName, projection.RebuildOptions{
			Difference: func(d projection.Difference) error { differences = append(differences, d); return nil },
		}, nil)
		if !errors.Is(err, projection.ErrDiffers) || rebuilt.Switched || len(differences) != 1 {
			t.Fatalf("%s: %+v, %v, %s", name, rebuilt, err, asJSON(t, differences))
		}
		d := differences[0]
		if d.Table != "projection_login_counts" || (d.Live != nil) != edit.live || (d.New != nil) != edit.rebuilt ||
			!strings.Contains(string(asJSON(t, d.Key)), edit.key) {
			t.Errorf("%s: %s", name, asJSON(t, d))
		}
		// The one that is right takes its place.
		if rebuilt, err = config.Rebuild(t.Context(), projection.LoginsName, projection.RebuildOptions{AcceptDifference: true}, nil); err != nil || !rebuilt.Switched {
			t.Fatalf("%s: %+v, %v", name, rebuilt, err)
		}
		if _, err := config.Prune(t.Context(), projection.LoginsName); err != nil {
			t.Fatal(err)
		}
		requireStatistics(t, config, client, token)
	}
}

func TestStatisticsAreRebuiltUnderALoad(t *testing.T) {
	config := stack.New(t)
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	client, _ := stack.Run(t, config)
	token := login(t, client, "admin")
	done, ended := make(chan struct{}), make(chan int)
	go func() {
		logins := 0
		defer func() { ended <- logins }()
		for {
			select {
			case <-done:
				return
			default:
			}
			if _, err := client.Login(t.Context(), "admin", "admin"); err != nil {
				t.Error(err)
				return
			}
			logins++
		}
	}()
	for range 2 {
		rebuilt, err := config.Rebuild(t.Context(), projection.LoginsName, projection.RebuildOptions{}, nil)
		if err != nil || !rebuilt.Switched {
			t.Errorf("%+v, %v", rebuilt, err)
		}
	}
	if _, err := config.Rollback(t.Context(), projection.LoginsName); err != nil {
		t.Error(err)
	}
	close(done)
	logins := 1 + <-ended
	if _, got := requireStatistics(t, config, client, token); got.Logins != logins {
		t.Errorf("%d logins are counted, want %d", got.Logins, logins)
	}
}
