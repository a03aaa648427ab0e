package http

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"helfy/app/query"
	"helfy/domain"
)

type statusShower interface {
	Handle(ctx context.Context, since time.Time) (query.Status, error)
}

// maxSince bounds how far back the sums of the status go: the hours of a day,
// wherever it began.
const maxSince = 48 * time.Hour

type statusInput struct {
	AuthInput
	Since time.Time `query:"since" doc:"RFC 3339, at most 48 hours ago; counts from the beginning of this hour of UTC. By default midnight in UTC"`
}

// start returns where the sums begin, or what is wrong with the query.
func (i statusInput) start(now time.Time) (time.Time, *huma.ErrorDetail) {
	switch {
	case i.Since.IsZero():
		return domain.Day.Start(now), nil
	case i.Since.Before(now.Add(-maxSince)):
		return i.Since, &huma.ErrorDetail{Message: "more than 48 hours ago", Location: "query.since"}
	case i.Since.After(now.Add(maxSince)):
		return i.Since, &huma.ErrorDetail{Message: "in the future", Location: "query.since"}
	}
	return domain.Hour.Start(i.Since), nil
}

type statusOutput struct {
	Body struct {
		CompleteThrough *time.Time     `json:"completeThrough" doc:"Everything committed up to then is in the log, but for dead letters and gaps; null while unknown"`
		LagSeconds      *float64       `json:"lagSeconds" doc:"How long ago that is"`
		DeadLetters     int64          `json:"deadLetters" doc:"Records that could not be understood and were neither retried nor waived"`
		Gaps            []query.Gap    `json:"gaps" doc:"Times whose commits no changefeed has sent"`
		Findings        findingCounts  `json:"findings"`
		VerifiedThrough *time.Time     `json:"verifiedThrough" doc:"Everything committed up to then is verified; null before the first time and when verification began anew"`
		Changefeed      changefeedInfo `json:"changefeed"`
		Today           loginSums      `json:"today"`
	}
}

type findingCounts struct {
	Total  int                        `json:"total"`
	ByKind map[domain.FindingKind]int `json:"byKind" doc:"Kinds of which there is none are absent"`
}

type changefeedInfo struct {
	State        query.ChangefeedState `json:"state" doc:"As TiCDC says: normal, warning, stopped, failed or finished; missing if there is none, removed if there was one, unknown if TiCDC does not answer, differs if it runs otherwise than it must"`
	CheckpointAt *time.Time            `json:"checkpointAt" doc:"Everything committed up to then is sent; null if not known"`
	LagSeconds   *float64              `json:"lagSeconds" doc:"How long ago that is"`
	Differences  []string              `json:"differences" doc:"Where it is not as it must be"`
	Error        string                `json:"error,omitempty"`
	KnownAt      *time.Time            `json:"knownAt" doc:"When TiCDC answered last; null if it never has"`
}

func newChangefeedInfo(feed query.Changefeed) changefeedInfo {
	return changefeedInfo{
		State: feed.State, CheckpointAt: orNil(feed.CheckpointAt()), LagSeconds: feedLag(feed),
		Differences: append([]string{}, feed.Differences...), Error: feed.Fault, KnownAt: orNil(feed.KnownAt),
	}
}

func feedLag(feed query.Changefeed) *float64 {
	if feed.CheckpointTs == 0 {
		return nil
	}
	seconds := feed.CheckpointLag.Seconds()
	return &seconds
}

type loginSums struct {
	From     time.Time `json:"from" doc:"What is counted begins here"`
	Logins   int64     `json:"logins"`
	Failures int64     `json:"failures"`
	Lockouts int64     `json:"lockouts"`
	Users    int64     `json:"users" doc:"Different users that logged in"`
}

func registerStatus(api huma.API, config Config) {
	huma.Register(api, huma.Operation{
		OperationID: "show-status", Method: http.MethodGet, Path: "/api/status", Summary: "The state of the trail in a few numbers",
		Errors: []int{http.StatusUnauthorized, http.StatusForbidden, http.StatusServiceUnavailable},
	}, func(ctx context.Context, input *statusInput) (*statusOutput, error) {
		// Sums that name nobody: reading them is no event.
		if _, err := input.requireAdmin(ctx, config); err != nil {
			return nil, err
		}
		now := time.Now()
		start, fault := input.start(now)
		if fault != nil {
			return nil, huma.Error400BadRequest("validation failed", fault)
		}
		status, err := config.ShowStatus.Handle(ctx, start)
		if err != nil {
			return nil, unavailable(ctx, config.Log, "read the status", err)
		}
		output := &statusOutput{}
		body := &output.Body
		body.CompleteThrough = query.CompleteThroughTime(status.CompleteThrough)
		if body.CompleteThrough != nil {
			// Clocks differ: it is never negative.
			lag := max(0, now.Sub(*body.CompleteThrough).Seconds())
			body.LagSeconds = &lag
		}
		body.DeadLetters, body.Gaps = status.DeadLetters, append([]query.Gap{}, status.Gaps...)
		body.Findings.ByKind = status.Findings
		for _, count := range status.Findings {
			body.Findings.Total += count
		}
		body.VerifiedThrough = query.CompleteThroughTime(status.VerifiedThrough)
		body.Changefeed = newChangefeedInfo(status.Changefeed)
		sums := status.Since
		body.Today = loginSums{start, sums.Logins, sums.Failures, sums.Lockouts, sums.Users}
		return output, nil
	})
}
