package http

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
	"github.com/prometheus/client_golang/prometheus"
)

// methods are those that have a label and routes of their own.
var methods = []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete}

// aborted is the status of an answer that was broken off: what its header said
// is not what the client got.
const aborted = "aborted"

// withMetrics counts and times requests. The labels are a fixed few: a route
// stands for all paths that it takes, and "none" for those that no route
// takes.
func withMetrics(registry prometheus.Registerer) func(http.Handler) http.Handler {
	requests := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "helfy_http_requests_total", Help: "Requests that were answered; the status of an answer that was broken off is aborted.",
	}, []string{"route", "method", "status"})
	duration := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "helfy_http_request_duration_seconds", Help: "Time from a request to its answer.", Buckets: prometheus.DefBuckets,
	}, []string{"route", "method"})
	registry.MustRegister(requests, duration)
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			began, wrapped := time.Now(), middleware.NewWrapResponseWriter(w, r.ProtoMajor)
			status := aborted
			defer func() { // also when http.ErrAbortHandler passes
				route, method := chi.RouteContext(r.Context()).RoutePattern(), r.Method
				if route == "" || wrapped.Status() == http.StatusMethodNotAllowed {
					route = "none"
				}
				if !slices.Contains(methods, method) {
					method = "other"
				}
				requests.WithLabelValues(route, method, status).Inc()
				duration.WithLabelValues(route, method).Observe(time.Since(began).Seconds())
			}()
			next.ServeHTTP(wrapped, r)
			status = strconv.Itoa(cmp.Or(wrapped.Status(), http.StatusOK))
		})
	}
}
