package service

import (
	"context"
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"helfy/adapters/argon2id"
	"helfy/app/command"
	"helfy/domain"
)

// observedHasher tells how busy a hasher is, and how long hashes take, of which
// it also makes spans.
type observedHasher struct {
	*argon2id.Hasher
	spans   spans
	refused prometheus.Counter
	took    prometheus.Histogram
}

func newObservedHasher(hasher *argon2id.Hasher, spans spans, registry prometheus.Registerer) observedHasher {
	gauge := func(name, help string, read func(argon2id.Load) int) {
		registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "helfy_login_hash_" + name, Help: help,
		}, func() float64 { return float64(read(hasher.Load())) }))
	}
	gauge("queue", "Places for password hashes that are taken: hashes that run, wait for a processor, or are prepared.",
		func(l argon2id.Load) int { return l.Held })
	gauge("running", "Password hashes that have a processor.", func(l argon2id.Load) int { return l.Running })
	gauge("limit", "Places for password hashes that there are.", func(l argon2id.Load) int { return l.Limit })
	o := observedHasher{
		Hasher: hasher, spans: spans,
		refused: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "helfy_login_hash_refused_total", Help: "Password hashes that were refused because all places were taken.",
		}),
		took: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "helfy_login_hash_duration_seconds", Help: "Time of a password hash, the wait for a processor included.",
			Buckets: prometheus.ExponentialBuckets(0.005, 2, 11),
		}),
	}
	registry.MustRegister(o.refused, o.took)
	return o
}

var _ command.Hasher = observedHasher{}

// Reserve implements command.Hasher.
func (o observedHasher) Reserve(ctx context.Context) (reserved context.Context, free func(), err error) {
	reserved, free, err = o.Hasher.Reserve(ctx)
	o.countRefused(err)
	return reserved, free, err
}

// Hash implements command.Hasher.
func (o observedHasher) Hash(ctx context.Context, password domain.Secret) (string, error) {
	ctx, ended := o.begin(ctx, "hash password")
	hash, err := o.Hasher.Hash(ctx, password)
	ended(err)
	return hash, err
}

// Verify implements command.Hasher.
func (o observedHasher) Verify(ctx context.Context, hash string, password domain.Secret) (bool, error) {
	ctx, ended := o.begin(ctx, "verify password")
	right, err := o.Hasher.Verify(ctx, hash, password)
	ended(err)
	return right, err
}

// begin begins to observe a hash.
func (o observedHasher) begin(ctx context.Context, name string) (inside context.Context, ended func(error)) {
	began := time.Now()
	ctx, spanned := o.spans.start(ctx, name)
	return ctx, func(err error) {
		spanned(err)
		if err == nil {
			o.took.Observe(time.Since(began).Seconds())
		}
		o.countRefused(err)
	}
}

func (o observedHasher) countRefused(err error) {
	if errors.Is(err, command.ErrBusy) {
		o.refused.Inc()
	}
}
