package http

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"helfy/app/command"
)

// The library makes its problems by this variable. Ours do not repeat rejected
// values, one of which may be a password, and answer 400 to all bad input, a
// member in other letter case included.
func init() {
	huma.ValidateStrictCasing = true
	newError := huma.NewError
	huma.NewError = func(status int, message string, faults ...error) huma.StatusError {
		if status == http.StatusUnprocessableEntity {
			status = http.StatusBadRequest
		}
		problem := newError(status, message, faults...)
		if model, ok := problem.(*huma.ErrorModel); ok {
			for _, detail := range model.Errors {
				detail.Value = nil
			}
		}
		return problem
	}
}

// documentBadRequest makes the description say what init does. Only what takes
// an idempotency key answers 422, by unprocessable.
func documentBadRequest(_ *huma.OpenAPI, operation *huma.Operation) {
	const wrong, right = "422", "400"
	response, ok := operation.Responses[wrong]
	if !ok {
		return
	}
	bad := *response
	bad.Description = http.StatusText(http.StatusBadRequest)
	operation.Responses[right] = &bad
	if !slices.ContainsFunc(operation.Parameters, func(p *huma.Param) bool { return p.Name == idempotencyHeader }) {
		delete(operation.Responses, wrong)
	}
}

// retryAfterSeconds is when a client that was sent away may try again.
const retryAfterSeconds = "1"

// tooMany answers 429 and says when there may be another request.
func tooMany(limited *command.RateLimitedError) error {
	seconds := int64((limited.RetryAfter + time.Second - 1) / time.Second)
	return huma.ErrorWithHeaders(
		huma.Error429TooManyRequests("too many requests"),
		http.Header{"Retry-After": {strconv.FormatInt(seconds, 10)}},
	)
}

// unavailable answers 503 for what may go better on the next try: all hashes
// busy, or the database away. The cause is logged, not told.
func unavailable(ctx context.Context, log *slog.Logger, doing string, cause error) error {
	detail := "the service cannot do this at the moment"
	switch {
	case errors.Is(cause, command.ErrBusy):
		detail = command.ErrBusy.Error()
		log.DebugContext(ctx, "busy", "doing", doing)
	case ctx.Err() != nil && errors.Is(context.Cause(ctx), context.Canceled):
		log.DebugContext(ctx, "client left", "doing", doing, "error", cause)
	default:
		log.ErrorContext(ctx, "request failed", "doing", doing, "error", cause, "requestId", originOf(ctx).RequestID)
	}
	return huma.ErrorWithHeaders(
		huma.Error503ServiceUnavailable(detail),
		http.Header{"Retry-After": {retryAfterSeconds}},
	)
}
