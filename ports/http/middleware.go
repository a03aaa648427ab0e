package http

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"regexp"
	"runtime/debug"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-chi/chi/v5/middleware"
	"github.com/google/uuid"

	"helfy/domain"
)

type contextKey int

const (
	originKey contextKey = iota
	schemeKey
	untimedKey
)

const requestIDHeader = "X-Request-Id"

var (
	requestIDForm = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)
	// The form of https://www.w3.org/TR/trace-context/, version 00.
	traceparentForm = regexp.MustCompile(`^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$`)
)

// maxUserAgent cuts what is kept of a client's description of itself.
const maxUserAgent = 256

// withRequestID gives each request an id, the client's own if it is a sane
// one, and keeps where the request comes from.
func withRequestID(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := r.Header.Get(requestIDHeader)
		if !requestIDForm.MatchString(id) {
			id = uuid.NewString()
		}
		w.Header().Set(requestIDHeader, id)
		agent := strings.ToValidUTF8(r.UserAgent(), "\uFFFD")
		if runes := []rune(agent); len(runes) > maxUserAgent {
			agent = string(runes[:maxUserAgent])
		}
		origin := domain.Origin{RequestID: id, UserAgent: agent, Traceparent: traceparentOf(r)}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), originKey, origin)))
	})
}

// originOf returns where the request of a context comes from.
func originOf(ctx context.Context) domain.Origin {
	origin, _ := ctx.Value(originKey).(domain.Origin)
	origin.IP = middleware.GetClientIP(ctx)
	return origin
}

// withClientIP finds the client's address; X-Forwarded-For counts only as far
// as trusted proxies wrote it. The peer stands for a client that they do not
// tell, so that nobody is without an address to be limited by.
func withClientIP(trusted []netip.Prefix) func(http.Handler) http.Handler {
	if len(trusted) == 0 {
		return middleware.ClientIPFromRemoteAddr
	}
	prefixes := make([]string, len(trusted))
	for i, prefix := range trusted {
		prefixes[i] = prefix.String()
	}
	forwarded := middleware.ClientIPFromXFF(prefixes...)
	return func(next http.Handler) http.Handler { return middleware.ClientIPFromRemoteAddr(forwarded(next)) }
}

// withTimeout ends the context of a request that takes too long.
func withTimeout(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx := context.WithValue(r.Context(), untimedKey, r.Context())
		ctx, cancel := context.WithTimeout(ctx, requestTimeout)
		defer cancel()
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// untimed returns the context of a request without that end, for an answer
// that takes as long as somebody reads it.
func untimed(ctx context.Context) context.Context {
	if without, ok := ctx.Value(untimedKey).(context.Context); ok {
		return without
	}
	return ctx
}

// withRecovery answers 500 instead of dropping the connection.
func withRecovery(log *slog.Logger) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			defer func() {
				fault := recover()
				if fault == nil {
					return
				}
				if err, ok := fault.(error); ok && errors.Is(err, http.ErrAbortHandler) {
					panic(fault)
				}
				log.ErrorContext(r.Context(), "panic", "fault", fault, "stack", string(debug.Stack()),
					"requestId", originOf(r.Context()).RequestID)
				writeProblem(w, log, http.StatusInternalServerError, "the request met a fault of the service")
			}()
			next.ServeHTTP(w, r)
		})
	}
}

// writeProblem answers outside of the API's own routes.
func writeProblem(w http.ResponseWriter, log *slog.Logger, status int, detail string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	problem := huma.ErrorModel{Title: http.StatusText(status), Status: status, Detail: detail}
	if err := json.NewEncoder(w).Encode(problem); err != nil {
		log.Debug("client left before the answer", "error", err)
	}
}
