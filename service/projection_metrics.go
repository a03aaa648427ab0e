package service

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"helfy/adapters/kafka"
	"helfy/app/projection"
)

// projectionTimeout bounds how long a scrape waits for the projections.
const projectionTimeout = 5 * time.Second

// projectionGauges tell at each scrape how each projection is doing. Of what
// they cannot find out they tell nothing.
type projectionGauges struct {
	config   Config
	db       *sql.DB
	observer *kafka.Observer
	all      []registered
	log      *slog.Logger

	messages, seconds, age, deadLetters, stalled *prometheus.Desc // of the live generation
	unread                                       *prometheus.Desc // of each of its partitions
	rebuild, progress                            *prometheus.Desc // of the last rebuild
}

func newProjectionGauges(config Config, db *sql.DB, observer *kafka.Observer, all []registered, log *slog.Logger) projectionGauges {
	gauge := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("helfy_"+name, help+" The same for every process.", append([]string{"projection"}, labels...), nil)
	}
	return projectionGauges{
		config: config, db: db, observer: observer, all: all, log: log,
		messages:    gauge("projection_lag_messages", "Messages that the live generation has not read yet."),
		seconds:     gauge("projection_lag_seconds", "How long ago the least watermark was that the live generation has read."),
		age:         gauge("projection_complete_age_seconds", "How long ago the moment is up to which the live generation is complete."),
		deadLetters: gauge("projection_dead_letters", "Dead letters of the live generation that were neither retried nor waived."),
		stalled:     gauge("consumer_stalled", "1 if Kafka does not hold what must be read next."),
		unread:      gauge("consumer_lag_messages", "Messages of a partition that the live generation has not read yet.", "topic", "partition"),
		rebuild:     gauge("rebuild_state", "1 for the state of the last rebuild.", "state"),
		progress:    gauge("rebuild_progress_ratio", "Share of the messages that the last rebuild has read."),
	}
}

// Describe implements prometheus.Collector.
func (g projectionGauges) Describe(descriptions chan<- *prometheus.Desc) {
	for _, one := range []*prometheus.Desc{g.messages, g.seconds, g.age, g.deadLetters, g.stalled, g.unread, g.rebuild, g.progress} {
		descriptions <- one
	}
}

// Collect implements prometheus.Collector.
func (g projectionGauges) Collect(metrics chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), projectionTimeout)
	defer cancel()
	var collecting sync.WaitGroup
	for _, one := range g.all {
		collecting.Go(func() {
			tell := func(what *prometheus.Desc, value float64, labels ...string) {
				metrics <- prometheus.MustNewConstMetric(what, prometheus.GaugeValue, value, append([]string{one.name()}, labels...)...)
			}
			if err := errors.Join(g.collect(ctx, one, tell), g.collectStalled(ctx, one, tell)); err != nil {
				g.log.Warn("cannot tell how a projection is doing", "projection", one.name(), "error", err)
			}
		})
	}
	collecting.Wait()
}

// tellGauge tells a value of a projection.
type tellGauge func(what *prometheus.Desc, value float64, labels ...string)

func (g projectionGauges) collect(ctx context.Context, one registered, tell tellGauge) error {
	list, err := one.generations().List(ctx)
	if err != nil {
		return err
	}
	partitions, err := g.config.partitions(ctx, one.topics())
	if err != nil {
		return err
	}
	for _, generation := range list {
		if generation.State != projection.Live {
			continue
		}
		backlog, err := one.generations().Backlog(ctx, generation.Number, partitions)
		if err != nil {
			return err
		}
		tell(g.messages, float64(backlog.Messages))
		tell(g.deadLetters, float64(backlog.Open))
		if seconds := secondsSince(backlog.Watermark); seconds != nil {
			tell(g.seconds, *seconds)
		}
		if age := secondsSince(generation.CompleteThrough); age != nil {
			tell(g.age, *age)
		}
		for i, p := range partitions {
			tell(g.unread, float64(backlog.Unread[i]), p.Topic, strconv.Itoa(int(p.Partition)))
		}
	}
	return g.collectRebuild(ctx, one, list, partitions, tell)
}

// collectStalled tells whether a consumer cannot go on: somebody must put back
// what Kafka lacks.
func (g projectionGauges) collectStalled(ctx context.Context, one registered, tell tellGauge) error {
	err := one.completeness(g.observer).Stalled(ctx)
	switch {
	case errors.Is(err, projection.ErrRetention):
		tell(g.stalled, 1)
	case err != nil:
		return err
	default:
		tell(g.stalled, 0)
	}
	return nil
}
