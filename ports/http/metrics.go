package http

import (
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

// withMetrics counts and times requests. The labels are a fixed few: a route
// stands for all paths that it takes, and "none" for those that no route
// takes.
func withMetrics(registry prometheus.Registerer) func(http.Handler) http.Handler {
	requests := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "helfy_http_requests_total", Help: "Requests that were answered.",
	}, []string{"route", "method", "status"})
	duration := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "helfy_http_request_duration_seconds", Help: "Time from a request to its answer.", Buckets: prometheus.DefBuckets,
	}, []string{"route", "method"})
	registry.MustRegister(requests, duration)
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			began, wrapped := time.Now(), middleware.NewWrapResponseWriter(w, r.ProtoMajor)
			next.ServeHTTP(wrapped, r)
			route, method, status := chi.RouteContext(r.Context()).RoutePattern(), r.Method, wrapped.Status()
			if route == "" || status == http.StatusMethodNotAllowed {
				route = "none"
			}
			if !slices.Contains(methods, method) {
				method = "other"
			}
			if status == 0 {
				status = http.StatusOK
			}
			requests.WithLabelValues(route, method, strconv.Itoa(status)).Inc()
			duration.WithLabelValues(route, method).Observe(time.Since(began).Seconds())
		})
	}
}
