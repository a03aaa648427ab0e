package http

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"helfy/app/command"
	"helfy/app/projection"
	"helfy/app/query"
)

type (
	projectionLister interface {
		Handle(context.Context) (query.Projections, error)
	}
	projectionDoer interface {
		Rebuild(ctx context.Context, admin command.Admin, name string, verify, acceptDiff bool) error
		Rollback(ctx context.Context, admin command.Admin, name string) (generation int, err error)
		Retry(ctx context.Context, admin command.Admin, name string, at projection.Place) ([]projection.RetriedLetter, error)
	}
)

type projectionsOutput struct {
	Body struct {
		Generations []query.GenerationStatus `json:"generations" doc:"Of every projection, the oldest first; a rebuild has read messages - lag of them"`
		Rebuilds    []rebuildEntry           `json:"rebuilds" doc:"The last one of each projection that was ever rebuilt"`
	}
}

// rebuildEntry is a rebuild as it is answered.
type rebuildEntry struct {
	Projection  string                  `json:"projection"`
	State       projection.RunState     `json:"state" enum:"running,interrupted,switched,equal,differs,failed,stopped" doc:"interrupted, failed and stopped go on where they stopped when it is rebuilt again; equal was thrown away after a verification"`
	Stage       projection.Stage        `json:"stage" doc:"read, join, derive, compare or wait; empty at the beginning"`
	By          string                  `json:"by" doc:"Who asked for it: a username, or cli"`
	Verify      bool                    `json:"verify"`
	AcceptDiff  bool                    `json:"acceptDiff"`
	BeganAt     time.Time               `json:"beganAt"`
	EndedAt     *time.Time              `json:"endedAt"`
	Generation  int                     `json:"generation" doc:"0 until it is known"`
	PerSecond   *float64                `json:"perSecond" doc:"Messages that it reads in a second, null unless it does"`
	Error       string                  `json:"error,omitempty"`
	Result      *projection.Rebuilt     `json:"result,omitempty"`
	Differences []projection.Difference `json:"differences,omitempty" doc:"The first 20 rows that differ"`
}

// ProjectionPath is the projection that a path names. It is exported because
// huma reads exported fields only.
type ProjectionPath struct {
	Name string `path:"name" pattern:"^[a-z_]{1,32}$" doc:"Projection"`
}

type rebuildInput struct {
	AuthInput
	ProjectionPath
	Body struct {
		Verify     bool `json:"verify,omitempty" doc:"Compare the result with the live generation and throw it away"`
		AcceptDiff bool `json:"acceptDiff,omitempty" doc:"Let the result go live although it differs"`
	}
}

type rollbackInput struct {
	AuthInput
	ProjectionPath
}

type rollbackOutput struct {
	Body struct {
		Generation int `json:"generation" doc:"The one that is live again"`
	}
}

func registerProjections(api huma.API, config Config) {
	refusals := []int{http.StatusUnauthorized, http.StatusForbidden, http.StatusServiceUnavailable}
	huma.Register(api, huma.Operation{
		OperationID: "list-projections", Method: http.MethodGet, Path: "/api/projections",
		Summary: "How the generations of projections and their last rebuilds are doing", Errors: refusals,
	}, func(ctx context.Context, input *AuthInput) (*projectionsOutput, error) {
		if _, err := input.requireAdmin(ctx, config); err != nil {
			return nil, err
		}
		all, err := config.ListProjections.Handle(ctx)
		if err != nil {
			return nil, unavailable(ctx, config.Log, "look at projections", err)
		}
		output := &projectionsOutput{}
		output.Body.Generations = append([]query.GenerationStatus{}, all.Generations...)
		output.Body.Rebuilds = make([]rebuildEntry, len(all.Rebuilds))
		for i, r := range all.Rebuilds {
			output.Body.Rebuilds[i] = newRebuildEntry(r)
		}
		return output, nil
	})
	refusals = append(refusals, http.StatusNotFound, http.StatusConflict)
	huma.Register(api, huma.Operation{
		OperationID: "rebuild-projection", Method: http.MethodPost, Path: "/api/projections/{name}/rebuild",
		Summary:       "Begin to make a projection anew, beside the live one; GET /api/projections tells how it goes on",
		DefaultStatus: http.StatusAccepted, MaxBodyBytes: maxBody, Errors: refusals,
	}, func(ctx context.Context, input *rebuildInput) (*struct{}, error) {
		by, err := input.requireAdmin(ctx, config)
		if err != nil {
			return nil, err
		}
		if input.Body.Verify && input.Body.AcceptDiff {
			return nil, badRequest("body.acceptDiff", "a result that is thrown away cannot go live")
		}
		err = config.Doings.Rebuild(ctx, adminOf(ctx, by), input.Name, input.Body.Verify, input.Body.AcceptDiff)
		return nil, doingProblem(ctx, config, "rebuild a projection", err)
	})
	huma.Register(api, huma.Operation{
		OperationID: "roll-back-projection", Method: http.MethodPost, Path: "/api/projections/{name}/rollback",
		Summary: "Make the generation live that was so before", Errors: refusals,
	}, func(ctx context.Context, input *rollbackInput) (*rollbackOutput, error) {
		by, err := input.requireAdmin(ctx, config)
		if err != nil {
			return nil, err
		}
		generation, err := config.Doings.Rollback(ctx, adminOf(ctx, by), input.Name)
		if err != nil {
			return nil, doingProblem(ctx, config, "roll back a projection", err)
		}
		output := &rollbackOutput{}
		output.Body.Generation = generation
		return output, nil
	})
}

func newRebuildEntry(r query.RebuildStatus) rebuildEntry {
	return rebuildEntry{
		Projection: r.Projection, State: r.State, Stage: r.Stage, By: r.By, Verify: r.VerifyOnly, AcceptDiff: r.AcceptDifference,
		BeganAt: r.BeganAt, EndedAt: orNil(r.EndedAt), Generation: r.Generation, PerSecond: r.PerSecond,
		Error: r.Error, Result: r.Result, Differences: r.Differences,
	}
}

// adminOf is who does something to a projection.
func adminOf(ctx context.Context, by query.SignedIn) command.Admin {
	return command.Admin{UserID: by.UserID, Username: by.Username, Origin: originBy(ctx, by)}
}

// doingProblem answers for what something that was to be done to a projection
// was refused for; nil for nil.
func doingProblem(ctx context.Context, config Config, doing string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, projection.ErrNoProjection), errors.Is(err, projection.ErrNoDeadLetter):
		return huma.Error404NotFound(err.Error())
	case errors.Is(err, projection.ErrAtWork), errors.Is(err, projection.ErrNoGeneration), errors.Is(err, projection.ErrBehind),
		errors.Is(err, command.ErrWaived), errors.Is(err, projection.ErrNotWhole):
		return huma.Error409Conflict(err.Error())
	case errors.Is(err, projection.ErrNoConsumer):
		return huma.ErrorWithHeaders(huma.Error503ServiceUnavailable(err.Error()), http.Header{"Retry-After": {retryAfterSeconds}})
	case errors.Is(err, command.ErrBadWaiver):
		return badRequest("body", err.Error())
	default:
		return unavailable(ctx, config.Log, doing, err)
	}
}
