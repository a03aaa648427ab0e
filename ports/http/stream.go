package http

import (
	"context"
	"errors"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"

	"helfy/app/live"
	"helfy/app/query"
	"helfy/domain"
)

type viewerJoiner interface {
	Join(ctx context.Context, user domain.UserID, filter query.AuditFilter, position string) (*live.Viewer, error)
}

type streamInput struct {
	AuthInput
	AuditFilterInput
	LastEventID string `header:"Last-Event-ID" maxLength:"8192" doc:"Id of the last event that was seen: what follows it comes first. It counts more than lastEventId"`
	LastSeen    string `query:"lastEventId" maxLength:"8192" doc:"The same, for those who cannot set the header"`
}

// position returns from where to go on, empty for now.
func (i streamInput) position() string {
	if i.LastEventID != "" {
		return i.LastEventID
	}
	return i.LastSeen
}

const streamDescription = `Server-sent events:

- "entry": an entry that was committed, in the form of GET /api/audit. One that comes again has the same id, and replaces the one before.
- "finding": something wrong with the log, in the form of GET /api/audit/findings.
- "complete": {"completeThrough","lagSeconds","deadLetters"}, about once a second.
- "reset": {"reason"}: what follows does not continue what was seen. Read GET /api/audit again; nothing is missing between that and what follows.

Ids are positions: whoever comes back with the last one misses nothing. A stream without one begins where the log ends, so that nothing is missing for who reads GET /api/audit after the stream has been opened. A viewer that is too slow is disconnected. The stream ends with the session.`

func registerStream(api huma.API, config Config) {
	huma.Register(api, huma.Operation{
		OperationID: "stream-audit", Method: http.MethodGet, Path: "/api/audit/stream",
		Summary: "Watch the audit log grow", Description: streamDescription,
		Errors: []int{http.StatusUnauthorized, http.StatusForbidden, http.StatusTooManyRequests, http.StatusServiceUnavailable},
		Responses: map[string]*huma.Response{"200": {
			Description: "Events until either side ends them",
			Content:     map[string]*huma.MediaType{"text/event-stream": {Schema: &huma.Schema{Type: huma.TypeString}}},
		}},
	}, func(ctx context.Context, input *streamInput) (*huma.StreamResponse, error) {
		reader, err := input.requireAdmin(ctx, config)
		if err != nil {
			return nil, err
		}
		if err := recordReading(ctx, config, reader, "GET /api/audit/stream", input.recorded()); err != nil {
			return nil, err
		}
		viewer, err := config.Stream.Join(ctx, reader.UserID, input.filter(), input.position())
		if err != nil {
			return nil, notJoined(ctx, config, err)
		}
		return &huma.StreamResponse{Body: func(ctx huma.Context) {
			defer viewer.Leave()
			r, w := humachi.Unwrap(ctx)
			s := newEventStream(w, viewer, config.Log)
			s.allowed = func(ctx context.Context) error { return input.stillAdmin(ctx, config) }
			s.run(untimed(r.Context()))
		}}, nil
	})
}

// notJoined is the answer to who cannot watch.
func notJoined(ctx context.Context, config Config, cause error) error {
	later := http.Header{"Retry-After": {retryLaterSeconds}}
	switch {
	case errors.Is(cause, live.ErrUserFull):
		return huma.ErrorWithHeaders(huma.Error429TooManyRequests(live.ErrUserFull.Error()), later)
	case errors.Is(cause, live.ErrFull), errors.Is(cause, live.ErrEnded):
		config.Log.WarnContext(ctx, "a stream is refused", "reason", cause)
		return huma.ErrorWithHeaders(huma.Error503ServiceUnavailable(cause.Error()), later)
	default:
		return unavailable(ctx, config.Log, "open a stream", cause)
	}
}

// retryLaterSeconds is when a viewer that was sent away may come again: places
// do not become free in a moment.
const retryLaterSeconds = "10"
