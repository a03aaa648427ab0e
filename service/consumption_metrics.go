package service

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"helfy/app/projection"
	"helfy/canaljson"
	"helfy/domain"
	"helfy/ports/events"
)

// The steps of a commit's way into a projection.
const (
	stepToKafka     = "commit_to_kafka"
	stepToProjected = "kafka_to_projected"
	stepWhole       = "commit_to_projected"
)

// consumption tells how the consumers of a process are doing: of what they
// themselves read and write, not of rebuilds.
type consumption struct {
	lag, records, took *prometheus.HistogramVec
	failed, repeats    *prometheus.CounterVec
}

func newConsumption(registry prometheus.Registerer) consumption {
	c := consumption{
		lag: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "helfy_lag_seconds", Help: "Time of each step from a COMMIT to the projection of its record, repeats left out.",
			Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600},
		}, []string{"projection", "step"}),
		records: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "helfy_flush_records", Help: "Records that were stored in one transaction, watermarks included.",
			Buckets: prometheus.ExponentialBuckets(1, 2, 12),
		}, []string{"projection"}),
		took: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "helfy_flush_duration_seconds", Help: "Time of a transaction that stores records.",
			Buckets: prometheus.ExponentialBuckets(0.001, 2, 15),
		}, []string{"projection"}),
		failed: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "helfy_flush_failures_total", Help: "Transactions that were to store records and failed; the records come again.",
		}, []string{"projection"}),
		repeats: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "helfy_consumer_repeats_total", Help: "Records that came again after they had been stored.",
		}, []string{"projection"}),
	}
	registry.MustRegister(c.lag, c.records, c.took, c.failed, c.repeats)
	return c
}

// consumed measures the consumer of one projection.
type consumed struct {
	toKafka, toProjected, whole, records, took prometheus.Observer
	failed, repeats                            prometheus.Counter
}

func (c consumption) of(projection string) consumed {
	return consumed{
		toKafka: c.lag.WithLabelValues(projection, stepToKafka), toProjected: c.lag.WithLabelValues(projection, stepToProjected),
		whole:   c.lag.WithLabelValues(projection, stepWhole),
		records: c.records.WithLabelValues(projection), took: c.took.WithLabelValues(projection),
		failed: c.failed.WithLabelValues(projection), repeats: c.repeats.WithLabelValues(projection),
	}
}

// measured returns a consumer's configuration that also measures.
func measured[R any](config events.Config[R], by consumed) events.Config[R] {
	config.Store = measuredStore[R]{FedStore: config.Store, by: by}
	tell := config.OnFresh
	config.OnFresh = func(ctx context.Context, log *slog.Logger, outcome projection.Outcome[R]) {
		if change, ok := outcome.Message.(*canaljson.Change); ok {
			by.stored(outcome.Record, change, time.Now())
		}
		if tell != nil {
			tell(ctx, log, outcome)
		}
	}
	return config
}

// stored observes the way of a change whose record is durable now. The clocks
// of the machines on it differ: no step takes less than no time.
func (m consumed) stored(record projection.Record, change *canaljson.Change, now time.Time) {
	between := func(from, to time.Time) float64 { return max(0, to.Sub(from).Seconds()) }
	m.toProjected.Observe(between(record.At, now))
	if change.CommitTs == 0 {
		return
	}
	committed := domain.TimeOfTSO(change.CommitTs)
	m.toKafka.Observe(between(committed, record.At))
	m.whole.Observe(between(committed, now))
}

type measuredStore[R any] struct {
	projection.FedStore[R]
	by consumed
}

// Flush implements projection.Store.
func (s measuredStore[R]) Flush(ctx context.Context, items []projection.Item[R]) ([]bool, error) {
	began := time.Now()
	fresh, err := s.FedStore.Flush(ctx, items)
	s.by.took.Observe(time.Since(began).Seconds())
	if err != nil {
		if !errors.Is(err, projection.ErrRejected) { // which is stored in parts
			s.by.failed.Inc()
		}
		return fresh, err
	}
	s.by.records.Observe(float64(len(items)))
	for _, one := range fresh {
		if !one {
			s.by.repeats.Inc()
		}
	}
	return fresh, nil
}
