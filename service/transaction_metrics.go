package service

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"helfy/adapters/tidb"
)

// newTransactionTimes returns what times the transactions of commands.
func newTransactionTimes(registry prometheus.Registerer) tidb.Observe {
	took := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "helfy_transaction_duration_seconds", Help: "Time of a command's transaction, all its attempts included.",
		Buckets: prometheus.ExponentialBuckets(0.001, 2, 14), // up to 8 s, the time that a login's result may take
	}, []string{"command"})
	registry.MustRegister(took)
	for _, command := range tidb.Commands {
		took.WithLabelValues(command) // 0 rather than absent
	}
	return func(ctx context.Context, command string) (context.Context, func(error)) {
		began := time.Now()
		return ctx, func(error) { took.WithLabelValues(command).Observe(time.Since(began).Seconds()) }
	}
}
