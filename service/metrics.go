package service

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"golang.org/x/sync/errgroup"

	"helfy/app/command"
	"helfy/domain"
)

// withTelemetry runs the parts of a process with a registry of their own, and
// sends their traces. If METRICS_ADDRESS is set, the registry can be read there
// at /metrics until the parts have ended.
func (c Config) withTelemetry(
	ctx context.Context, log *slog.Logger, run func(context.Context, *prometheus.Registry) error,
) error {
	return c.withTraces(ctx, log, func() error { return c.withMetrics(ctx, log, run) })
}

func (c Config) withMetrics(
	ctx context.Context, log *slog.Logger, run func(context.Context, *prometheus.Registry) error,
) error {
	registry := prometheus.NewRegistry()
	registry.MustRegister(
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	if c.MetricsAddress == "" {
		return run(ctx, registry)
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", c.MetricsAddress)
	if err != nil {
		return fmt.Errorf("listen on METRICS_ADDRESS %q: %w", c.MetricsAddress, err)
	}
	log.InfoContext(ctx, "metrics", "address", listener.Addr().String())
	// What is counted while the parts drain can still be read.
	untilEnded, end := context.WithCancel(context.WithoutCancel(ctx))
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return serve(untilEnded, listener, metricsHandler(registry, log), 0, log, func() {}) })
	group.Go(func() error {
		defer end()
		return run(ctx, registry)
	})
	return group.Wait()
}

// metricsHandler also tells that the process is alive: one that only consumes
// has no other listener.
func metricsHandler(registry *prometheus.Registry, log *slog.Logger) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelError), Registry: registry,
	}))
	return mux
}

// countedLogins counts how logins end. The labels are a fixed few: neither
// names nor addresses.
type countedLogins struct {
	command.LoginHandler
	ended *prometheus.CounterVec
}

// outcomes are the labels of refused logins.
var outcomes = map[domain.FailureReason]string{
	domain.WrongPassword: "wrong",
	domain.UnknownUser:   "unknown",
	domain.UserDisabled:  "disabled",
	domain.BadCredential: "bad_credential",
	domain.FailureLocked: "locked",
}

func newCountedLogins(handler command.LoginHandler, registry prometheus.Registerer) countedLogins {
	ended := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "helfy_logins_total", Help: "Logins by how they ended.",
	}, []string{"outcome"})
	registry.MustRegister(ended)
	for _, outcome := range outcomes {
		ended.WithLabelValues(outcome) // 0 rather than absent
	}
	for _, outcome := range []string{"success", "busy", "rate_limited", "error"} {
		ended.WithLabelValues(outcome)
	}
	return countedLogins{LoginHandler: handler, ended: ended}
}

// Handle is that of the handler.
func (c countedLogins) Handle(ctx context.Context, login command.Login) (command.LoggedIn, error) {
	loggedIn, err := c.LoginHandler.Handle(ctx, login)
	c.ended.WithLabelValues(outcomeOf(err)).Inc()
	return loggedIn, err
}

func outcomeOf(err error) string {
	var refused command.RefusedError
	var limited *command.RateLimitedError
	switch {
	case err == nil:
		return "success"
	case errors.As(err, &refused):
		return outcomes[refused.Reason]
	case errors.As(err, &limited):
		return "rate_limited"
	case errors.Is(err, command.ErrBusy):
		return "busy"
	default:
		return "error"
	}
}
