package service

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"

	"helfy/app/query"
)

// changefeedGauges tell at each scrape how the changefeed is doing.
type changefeedGauges struct {
	show       query.ShowChangefeed
	state, lag *prometheus.Desc
}

func newChangefeedGauges(show query.ShowChangefeed) changefeedGauges {
	return changefeedGauges{
		show: show,
		state: prometheus.NewDesc("helfy_changefeed_state", "1 for the state of the changefeed. The same for every process.",
			[]string{"state"}, nil),
		lag: prometheus.NewDesc("helfy_changefeed_checkpoint_lag_seconds",
			"How long ago the moment is up to which the changefeed has sent everything. The same for every process.", nil, nil),
	}
}

// Describe implements prometheus.Collector.
func (g changefeedGauges) Describe(descriptions chan<- *prometheus.Desc) {
	descriptions <- g.state
	descriptions <- g.lag
}

// Collect implements prometheus.Collector. While TiCDC does not answer, the lag
// is that of the last checkpoint that it told.
func (g changefeedGauges) Collect(metrics chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), projectionTimeout)
	defer cancel()
	known := g.show.Handle(ctx)
	for _, state := range query.ChangefeedStates {
		value := 0.0
		if state == known.State {
			value = 1
		}
		metrics <- prometheus.MustNewConstMetric(g.state, prometheus.GaugeValue, value, string(state))
	}
	if known.CheckpointTs != 0 {
		metrics <- prometheus.MustNewConstMetric(g.lag, prometheus.GaugeValue, known.CheckpointLag.Seconds())
	}
}
