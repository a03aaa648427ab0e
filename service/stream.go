package service

import (
	"context"
	"database/sql"
	"log/slog"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"helfy/adapters/kafka"
	"helfy/app/live"
	"helfy/app/projection"
	httpport "helfy/ports/http"
)

// startStreams returns what viewers of the audit log join, and what ends them
// all and returns when that is done; it may be called again.
func (c Config) startStreams(
	db *sql.DB, observer *kafka.Observer, metrics prometheus.Registerer, log *slog.Logger,
) (feed *live.Feed, end func()) {
	feed = live.New(live.Config{
		Topics:     []string{c.ChangesTopic, c.EventsTopic},
		Projection: projection.Audit{Database: c.TiDBDatabase},
		Source:     observer, Log: c.auditLog(db), Encoder: httpport.StreamFrames{},
		MaxViewers: c.StreamViewers, MaxPerUser: c.StreamViewersByUser, MaxReplay: c.StreamReplay,
		Logger: log,
	})
	metrics.MustRegister(
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "helfy_stream_viewers", Help: "Viewers of the audit stream.",
		}, func() float64 { return float64(feed.Viewers()) }),
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "helfy_stream_dropped_viewers_total", Help: "Viewers of the audit stream that were disconnected because they were too slow.",
		}, func() float64 { return float64(feed.Dropped()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "helfy_stream_lag_seconds", Help: "Age of the newest record that the audit stream has read, 0 while nobody watches.",
		}, func() float64 { return feed.Lag().Seconds() }),
	)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { feed.Run(ctx) })
	return feed, func() { cancel(); running.Wait() }
}
