package service

import (
	"context"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"helfy/app/projection"
)

// projectionTimeout bounds how long a scrape waits for the projections.
const projectionTimeout = 5 * time.Second

// projectionGauges tell at each scrape how the live generation of each
// projection is doing. Of what they cannot find out they tell nothing.
type projectionGauges struct {
	config                              Config
	all                                 []registered
	log                                 *slog.Logger
	messages, seconds, age, deadLetters *prometheus.Desc
}

func newProjectionGauges(config Config, all []registered, log *slog.Logger) projectionGauges {
	gauge := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc("helfy_projection_"+name, help+" The same for every process.", []string{"projection"}, nil)
	}
	return projectionGauges{
		config: config, all: all, log: log,
		messages:    gauge("lag_messages", "Messages that the live generation has not read yet."),
		seconds:     gauge("lag_seconds", "How long ago the least watermark was that the live generation has read."),
		age:         gauge("complete_age_seconds", "How long ago the moment is up to which the live generation is complete."),
		deadLetters: gauge("dead_letters", "Dead letters of the live generation that were neither retried nor waived."),
	}
}

// Describe implements prometheus.Collector.
func (g projectionGauges) Describe(descriptions chan<- *prometheus.Desc) {
	for _, one := range []*prometheus.Desc{g.messages, g.seconds, g.age, g.deadLetters} {
		descriptions <- one
	}
}

// Collect implements prometheus.Collector.
func (g projectionGauges) Collect(metrics chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), projectionTimeout)
	defer cancel()
	for _, one := range g.all {
		if err := g.collect(ctx, one, metrics); err != nil {
			g.log.Warn("cannot tell how a projection is doing", "projection", one.name(), "error", err)
		}
	}
}

func (g projectionGauges) collect(ctx context.Context, one registered, metrics chan<- prometheus.Metric) error {
	list, err := one.generations().List(ctx)
	if err != nil {
		return err
	}
	for _, generation := range list {
		if generation.State != projection.Live {
			continue
		}
		partitions, err := g.config.partitions(ctx, one.topics())
		if err != nil {
			return err
		}
		backlog, err := one.generations().Backlog(ctx, generation.Number, partitions)
		if err != nil {
			return err
		}
		tell := func(what *prometheus.Desc, value float64) {
			metrics <- prometheus.MustNewConstMetric(what, prometheus.GaugeValue, value, one.name())
		}
		tell(g.messages, float64(backlog.Messages))
		tell(g.deadLetters, float64(backlog.Open))
		if seconds := secondsSince(backlog.Watermark); seconds != nil {
			tell(g.seconds, *seconds)
		}
		if age := secondsSince(generation.CompleteThrough); age != nil {
			tell(g.age, *age)
		}
	}
	return nil
}
