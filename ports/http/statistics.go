package http

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"helfy/app/query"
	"helfy/domain"
)

type loginCounter interface {
	Handle(ctx context.Context, period domain.Period, from, to time.Time) (query.LoginStatistics, error)
}

// defaultBuckets is how many buckets are shown when from is not set.
var defaultBuckets = map[domain.Period]time.Duration{domain.Hour: 24, domain.Day: 30}

type statisticsInput struct {
	AuthInput
	Bucket domain.Period `query:"bucket" enum:"hour,day" default:"hour" doc:"Length of a bucket; both are aligned in UTC"`
	From   time.Time     `query:"from" doc:"RFC 3339; the first bucket has this time in it. By default 24 hours or 30 days before to"`
	To     time.Time     `query:"to" doc:"RFC 3339; the last bucket has the time just before it in it. By default now"`
}

// span returns the beginning of the first bucket and the end of the last one,
// or what is wrong with the query.
func (i statisticsInput) span(now time.Time) (from, to time.Time, fault *huma.ErrorDetail) {
	from, to = i.From, i.To
	length := i.Bucket.Length()
	if to.IsZero() {
		to = now
	}
	if from.IsZero() {
		from = to.Add(-defaultBuckets[i.Bucket] * length)
	}
	refuse := func(name, format string, args ...any) (time.Time, time.Time, *huma.ErrorDetail) {
		return from, to, &huma.ErrorDetail{Message: fmt.Sprintf(format, args...), Location: "query." + name}
	}
	epoch := time.Unix(0, 0)
	switch {
	case from.Before(epoch):
		return refuse("from", "before 1970")
	case to.Before(epoch):
		return refuse("to", "before 1970")
	case to.Year() > 9998: // the last bucket's end must have a form in RFC 3339
		return refuse("to", "after 9998")
	case !from.Before(to) && i.To.IsZero():
		return refuse("from", "not before now")
	case !from.Before(to):
		return refuse("from", "not before query.to")
	}
	from, to = i.Bucket.Start(from), i.Bucket.Start(to.Add(length-1))
	if buckets := int64(to.Sub(from) / length); buckets > query.MaxLoginBuckets {
		return refuse("from", "%d buckets up to query.to, at most %d are answered", buckets, query.MaxLoginBuckets)
	}
	return from, to, nil
}

type statisticsOutput struct {
	Body struct {
		Bucket          domain.Period `json:"bucket" enum:"hour,day"`
		From            time.Time     `json:"from" doc:"Beginning of the first bucket"`
		To              time.Time     `json:"to" doc:"End of the last bucket"`
		Buckets         []loginBucket `json:"buckets" doc:"Oldest first, also those in which nothing happened"`
		CompleteThrough *time.Time    `json:"completeThrough" doc:"Everything committed up to then is counted, but for dead letters and gaps; null while unknown"`
		DeadLetters     int64         `json:"deadLetters,omitempty" doc:"Records that could not be understood and may be events to count"`
		Gaps            []query.Gap   `json:"gaps,omitempty" doc:"Times whose commits no changefeed has sent"`
	}
}

// loginBucket is a bucket as it is answered.
type loginBucket struct {
	Start    time.Time `json:"start"`
	Logins   int64     `json:"logins"`
	Failures int64     `json:"failures" doc:"Refused logins, those that share an event each; but for what was answered 429 or 503"`
	Lockouts int64     `json:"lockouts" doc:"Times in which logins are refused that began"`
	Users    int64     `json:"users" doc:"Different users that logged in"`
	LagP50Ms *int64    `json:"lagP50Ms" doc:"Half of these events were in Kafka within so many milliseconds after their commit; exact up to 255, at most 1/128 too much beyond; null without events"`
	LagP99Ms *int64    `json:"lagP99Ms" doc:"99 of 100 were"`
}

func registerStatistics(api huma.API, config Config) {
	huma.Register(api, huma.Operation{
		OperationID: "count-logins", Method: http.MethodGet, Path: "/api/stats/logins",
		Summary: "Read login statistics per hour or day, by the time of commits",
		Errors:  []int{http.StatusUnauthorized, http.StatusForbidden, http.StatusServiceUnavailable},
	}, func(ctx context.Context, input *statisticsInput) (*statisticsOutput, error) {
		// Sums that name nobody: reading them is no event, as reading the
		// audit log is.
		if _, err := input.requireAdmin(ctx, config); err != nil {
			return nil, err
		}
		from, to, fault := input.span(time.Now())
		if fault != nil {
			return nil, huma.Error400BadRequest("validation failed", fault)
		}
		statistics, err := config.CountLogins.Handle(ctx, input.Bucket, from, to)
		if err != nil {
			return nil, unavailable(ctx, config.Log, "read login statistics", err)
		}
		output := &statisticsOutput{}
		output.Body.Bucket, output.Body.From, output.Body.To = input.Bucket, from, to
		output.Body.Buckets = make([]loginBucket, len(statistics.Buckets))
		for i, b := range statistics.Buckets {
			output.Body.Buckets[i] = loginBucket(b)
		}
		output.Body.CompleteThrough = query.CompleteThroughTime(statistics.CompleteThrough)
		output.Body.DeadLetters, output.Body.Gaps = statistics.DeadLetters, statistics.Gaps
		return output, nil
	})
}
