package http

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	oteltrace "go.opentelemetry.io/otel/trace"
)

const traceparentHeader = "traceparent"

// withTraces makes a span of each request to the API, in the trace that the
// client names, if it names one. Without a tracer it does nothing. The span
// shows the route, not the path, and nothing that the client has sent.
func withTraces(tracer oteltrace.Tracer) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		if tracer == nil {
			return next
		}
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if !strings.HasPrefix(r.URL.Path, "/api/") {
				next.ServeHTTP(w, r)
				return
			}
			method := r.Method
			if !slices.Contains(methods, method) {
				method = "_OTHER"
			}
			ctx := propagation.TraceContext{}.Extract(r.Context(), propagation.HeaderCarrier(r.Header))
			ctx, span := tracer.Start(ctx, method, oteltrace.WithSpanKind(oteltrace.SpanKindServer),
				oteltrace.WithAttributes(attribute.String("http.request.method", method)))
			wrapped, whole := middleware.NewWrapResponseWriter(w, r.ProtoMajor), false
			defer func() { // also when http.ErrAbortHandler passes
				if route := chi.RouteContext(r.Context()).RoutePattern(); route != "" {
					span.SetName(method + " " + route)
					span.SetAttributes(attribute.String("http.route", route))
				}
				status := cmp.Or(wrapped.Status(), http.StatusOK)
				span.SetAttributes(attribute.Int("http.response.status_code", status))
				if !whole {
					span.SetStatus(codes.Error, aborted)
				} else if status >= http.StatusInternalServerError {
					span.SetStatus(codes.Error, "")
				}
				span.End()
			}()
			next.ServeHTTP(wrapped, r.WithContext(ctx))
			whole = true
		})
	}
}

// traceparentOf returns the trace that the events of a request belong to: its
// own span, or, when no spans are made, what the client says. It is empty if
// there is none.
func traceparentOf(r *http.Request) string {
	if oteltrace.SpanContextFromContext(r.Context()).IsValid() {
		return writeTraceparent(r.Context())
	}
	if header := r.Header.Get(traceparentHeader); traceparentForm.MatchString(header) {
		return header
	}
	return ""
}

func writeTraceparent(ctx context.Context) string {
	carrier := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(ctx, carrier)
	return carrier[traceparentHeader]
}
