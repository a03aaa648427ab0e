package service

import (
	"context"
	"log/slog"
	"net/url"
	"strings"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"helfy/adapters/tidb"
	"helfy/adapters/tracing"
)

// flushTracesTimeout bounds how long a process that ends waits for a collector.
const flushTracesTimeout = 5 * time.Second

// The values of OTEL_TRACES_EXPORTER.
const (
	exporterNone = "none"
	exporterOTLP = "otlp"
)

func (c Config) validateTraces(check func(variable string, ok bool, format string, args ...any)) {
	check("OTEL_TRACES_EXPORTER", c.TracesExporter == "" || c.TracesExporter == exporterNone || c.TracesExporter == exporterOTLP,
		"want %s or %s, got %q", exporterOTLP, exporterNone, c.TracesExporter)
	check("OTEL_EXPORTER_OTLP_PROTOCOL", c.OTLPProtocol == "" || c.OTLPProtocol == "http/protobuf",
		"want http/protobuf, got %q", c.OTLPProtocol)
	for variable, text := range map[string]string{
		"OTEL_EXPORTER_OTLP_ENDPOINT": c.OTLPEndpoint, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": c.OTLPTracesEndpoint,
	} {
		address, err := url.Parse(text)
		check(variable, text == "" || err == nil && (address.Scheme == "http" || address.Scheme == "https") && address.Host != "",
			"want http://host:port, got %q", text)
	}
}

// traces reports whether spans are made.
func (c Config) traces() bool {
	return c.TracesExporter == exporterOTLP || c.TracesExporter == "" && c.OTLPEndpoint+c.OTLPTracesEndpoint != ""
}

// collector is where spans are sent, as
// https://opentelemetry.io/docs/specs/otel/protocol/exporter/ has it.
func (c Config) collector() string {
	switch {
	case c.OTLPTracesEndpoint != "":
		return c.OTLPTracesEndpoint
	case c.OTLPEndpoint != "":
		return strings.TrimSuffix(c.OTLPEndpoint, "/") + "/v1/traces"
	default:
		return "http://localhost:4318/v1/traces"
	}
}

// withTraces does something whose spans, if any are made, are sent when it
// returns.
func (c Config) withTraces(ctx context.Context, log *slog.Logger, do func() error) (err error) {
	if !c.traces() {
		return do()
	}
	flush, err := tracing.Start(ctx, c.collector(), log)
	if err != nil {
		return err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushTracesTimeout)
		defer cancel()
		if err := flush(ctx); err != nil {
			log.WarnContext(ctx, "the last traces are lost", "error", err)
		}
	}()
	return do()
}

// spans makes spans of what a process does.
type spans struct{ tracer trace.Tracer } // nil for none

func (c Config) spans() spans {
	if !c.traces() {
		return spans{}
	}
	return spans{otel.Tracer("helfy")}
}

// start begins a span. Of an error it tells no more than that there was one: it
// may have names and values in it.
func (s spans) start(ctx context.Context, name string, options ...trace.SpanStartOption) (inside context.Context, ended func(error)) {
	if s.tracer == nil {
		return ctx, func(error) {}
	}
	ctx, span := s.tracer.Start(ctx, name, options...)
	return ctx, func(err error) {
		if err != nil {
			span.SetStatus(codes.Error, "")
		}
		span.End()
	}
}

// transactions makes a span of each transaction that is observed.
func (s spans) transactions(observe tidb.Observe) tidb.Observe {
	return func(ctx context.Context, command string) (context.Context, func(error)) {
		ctx, observed := observe(ctx, command)
		ctx, ended := s.start(ctx, "transaction "+command, trace.WithSpanKind(trace.SpanKindClient))
		return ctx, func(err error) { ended(err); observed(err) }
	}
}
