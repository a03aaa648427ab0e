// Package tracing sends spans to a collector by OTLP over HTTP:
// https://opentelemetry.io/docs/specs/otlp/#otlphttp
package tracing

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.opentelemetry.io/otel/sdk/trace"
)

// Start lets the process's tracers send what they sample to a URL, which must
// be http or https. The library takes the rest, such as headers, the sampler
// and the bounds of its queue, from the variables that OpenTelemetry names for
// that. Spans are sent in the background; those for which the queue has no room
// are dropped. A collector that does not answer is told of in the log, at most
// once a minute. flush sends what is left, until its context ends, and nothing
// is sent after it.
func Start(ctx context.Context, url string, log *slog.Logger) (flush func(context.Context) error, err error) {
	exporter, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(url))
	if err != nil {
		return nil, fmt.Errorf("export traces to %s: %w", url, err)
	}
	about, err := resource.New(ctx,
		resource.WithAttributes(attribute.String("service.name", "helfy")), resource.WithTelemetrySDK(), resource.WithFromEnv())
	if err != nil && !errors.Is(err, resource.ErrPartialResource) {
		return nil, fmt.Errorf("describe the process to a collector of traces: %w", err)
	}
	otel.SetErrorHandler(newComplaints(log))
	provider := trace.NewTracerProvider(trace.WithBatcher(exporter), trace.WithResource(about))
	otel.SetTracerProvider(provider)
	return provider.Shutdown, nil
}
