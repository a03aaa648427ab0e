package http

import (
	"context"
	"errors"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"helfy/app/query"
)

type healthOutput struct {
	Status int
	Body   struct {
		Status      string      `json:"status" enum:"healthy,unhealthy"`
		Database    string      `json:"database" enum:"connected,disconnected"`
		Kafka       bool        `json:"kafka"`
		DeadLetters int64       `json:"deadLetters,omitempty" doc:"Records that the audit log could not understand and that were neither retried nor waived"`
		Gaps        []query.Gap `json:"gaps,omitempty" doc:"Times whose commits no changefeed has sent"`
		Changefeed  *feedHealth `json:"changefeed,omitempty" doc:"How what feeds the audit log is doing, unless it is as it must be"`
		Stalled     string      `json:"stalled,omitempty" doc:"Which projections cannot read on, because Kafka does not hold what they need, and why"`
	}
}

// feedHealth is what everybody may know of the changefeed.
type feedHealth struct {
	State      query.ChangefeedState `json:"state" doc:"As GET /api/status says"`
	LagSeconds *float64              `json:"lagSeconds" doc:"How long ago it had sent everything; null if not known"`
}

type aliveOutput struct {
	Status int
	Body   struct {
		Status string `json:"status"`
		Reason string `json:"reason,omitempty" doc:"Why it is not ready"`
	}
}

func registerHealth(api huma.API, config Config) {
	huma.Register(api, huma.Operation{
		OperationID: "health", Method: http.MethodGet, Path: "/health", Summary: "State of all parts",
	}, func(ctx context.Context, _ *struct{}) (*healthOutput, error) {
		health := config.Health.Handle(ctx)
		output := &healthOutput{Status: http.StatusOK}
		output.Body.Status, output.Body.Database, output.Body.Kafka = "healthy", "connected", health.Kafka == nil
		output.Body.DeadLetters, output.Body.Gaps = health.DeadLetters, health.Gaps
		if feed := health.Changefeed; feed.State != query.ChangefeedNormal {
			output.Body.Changefeed = &feedHealth{feed.State, feedLag(feed)}
		}
		if health.Stalled != nil {
			output.Body.Stalled = health.Stalled.Error()
		}
		if health.Database != nil {
			output.Body.Database = "disconnected"
		}
		if !health.Healthy() {
			output.Status, output.Body.Status = http.StatusServiceUnavailable, "unhealthy"
			config.Log.WarnContext(ctx, "unhealthy", "database", health.Database, "kafka", health.Kafka)
		}
		return output, nil
	})
	huma.Register(api, huma.Operation{
		OperationID: "livez", Method: http.MethodGet, Path: "/livez", Summary: "Whether the process runs",
	}, func(context.Context, *struct{}) (*aliveOutput, error) {
		output := &aliveOutput{Status: http.StatusOK}
		output.Body.Status = "alive"
		return output, nil
	})
	huma.Register(api, huma.Operation{
		OperationID: "readyz", Method: http.MethodGet, Path: "/readyz", Summary: "Whether the process can do its job",
	}, func(ctx context.Context, _ *struct{}) (*aliveOutput, error) {
		output := &aliveOutput{Status: http.StatusOK}
		output.Body.Status = "ready"
		if err := config.Ready(ctx); err != nil {
			config.Log.WarnContext(ctx, "not ready", "error", err)
			output.Status, output.Body.Status = http.StatusServiceUnavailable, "not ready"
			if why := (*query.NotReadyError)(nil); errors.As(err, &why) {
				output.Body.Reason = why.Reason
			}
		}
		return output, nil
	})
}
