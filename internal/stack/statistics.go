package stack

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"reflect"
	"slices"
	"testing"
	"time"

	"helfy/domain"
	"helfy/service"
)

// statisticsTimeout bounds how long statistics may take to be complete.
const statisticsTimeout = 90 * time.Second

// LoginStatistics is the answer of GET /api/stats/logins.
type LoginStatistics struct {
	Bucket          domain.Period
	From, To        time.Time
	Buckets         []LoginBucket
	CompleteThrough *time.Time
	DeadLetters     int
}

// LoginBucket is a bucket of it.
type LoginBucket struct {
	Start                             time.Time
	Logins, Failures, Lockouts, Users int
	LagP50Ms, LagP99Ms                *int64
}

// Statistics returns login statistics.
func (c *Client) Statistics(ctx context.Context, token, query string) (statistics LoginStatistics, err error) {
	response, text, err := c.Do(ctx, http.MethodGet, "/api/stats/logins"+query, token, "")
	if err != nil {
		return statistics, err
	}
	if response.StatusCode != http.StatusOK {
		return statistics, &StatusError{response.StatusCode, string(text)}
	}
	return statistics, json.Unmarshal(text, &statistics)
}

// RequireStatisticsAsAudited waits until everything up to now is counted,
// holds the login statistics of each period against the audit log, which must
// be complete up to now too, and returns those of the days.
func RequireStatisticsAsAudited(t testing.TB, config service.Config, client *Client, token string) (got []LoginBucket) {
	t.Helper()
	now := time.Now()
	for _, period := range []domain.Period{domain.Hour, domain.Day} {
		Eventually(t, statisticsTimeout, func() error {
			statistics, err := client.Statistics(t.Context(), token, "?bucket="+string(period))
			if through := statistics.CompleteThrough; err == nil && (through == nil || through.Before(now)) {
				err = fmt.Errorf("statistics are complete through %v", through)
			}
			got = slices.DeleteFunc(statistics.Buckets, func(b LoginBucket) bool { return b == LoginBucket{Start: b.Start} })
			return err
		})
		if want := auditedStatistics(t, config, period); len(want) == 0 || !reflect.DeepEqual(got, want) {
			t.Errorf("statistics per %s\n%s are, as audited\n%s", period, show(got), show(want))
		}
	}
	return got
}

func show(buckets []LoginBucket) string {
	text, err := json.Marshal(buckets)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// auditedStatistics is what the entries of the audit log sum up to.
func auditedStatistics(t testing.TB, config service.Config, period domain.Period) (buckets []LoginBucket) {
	t.Helper()
	rows, err := DB(t, config).QueryContext(t.Context(), `
		SELECT commit_ts, event_type, user_id, kafka_at, JSON_UNQUOTE(JSON_EXTRACT(new_row, '$.payload'))
		FROM projection_audit_entries JOIN projection_generations USING (generation)
		WHERE projection = 'audit' AND state = 'live' AND event_type IN ('LOGIN_SUCCESS', 'LOGIN_FAILURE', 'USER_LOCKED')
		ORDER BY commit_ts`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var sum *audited
	for rows.Next() {
		var commitTs uint64
		var eventType domain.EventType
		var user *int64
		var inKafka time.Time
		var payload []byte
		if err := rows.Scan(&commitTs, &eventType, &user, &inKafka, &payload); err != nil {
			t.Fatal(err)
		}
		committed := domain.TimeOfTSO(commitTs)
		if start := committed.Truncate(period.Length()); sum == nil || !sum.Start.Equal(start) {
			buckets = append(buckets, sum.buckets()...)
			sum = &audited{LoginBucket: LoginBucket{Start: start}, users: map[int64]bool{}}
		}
		sum.lags = append(sum.lags, domain.LagCell(inKafka.Sub(committed).Milliseconds()))
		switch eventType {
		case domain.LoginSuccess:
			sum.Logins++
			sum.users[*user] = true
		case domain.UserLocked:
			sum.Lockouts++
		default:
			var flood struct{ Count int }
			if err := json.Unmarshal(payload, &flood); err != nil {
				t.Fatal(err)
			}
			sum.Failures += max(1, flood.Count)
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return append(buckets, sum.buckets()...)
}

// audited is a bucket, and what it is made of.
type audited struct {
	LoginBucket
	users map[int64]bool
	lags  []int64
}

func (a *audited) buckets() []LoginBucket {
	if a == nil {
		return nil
	}
	slices.Sort(a.lags)
	rank := func(percent float64) *int64 { return &a.lags[int(math.Ceil(percent/100*float64(len(a.lags))))-1] }
	a.Users, a.LagP50Ms, a.LagP99Ms = len(a.users), rank(50), rank(99)
	return []LoginBucket{a.LoginBucket}
}
