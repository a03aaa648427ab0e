package service

import (
	"context"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"

	"helfy/adapters/tidb"
	"helfy/app/notification"
)

// notificationTries counts tries by what became of the notification.
type notificationTries struct{ ended *prometheus.CounterVec }

func newNotificationTries(registry prometheus.Registerer) notificationTries {
	ended := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "helfy_notification_tries_total", Help: "Tries to send a notification by its state afterwards.",
	}, []string{"channel", "state"})
	registry.MustRegister(ended)
	return notificationTries{ended}
}

func (t notificationTries) of(channel notification.Channel) func(notification.State) {
	for _, state := range []notification.State{notification.Sent, notification.Pending, notification.Dead} {
		t.ended.WithLabelValues(string(channel), string(state)) // 0 rather than absent
	}
	return func(state notification.State) { t.ended.WithLabelValues(string(channel), string(state)).Inc() }
}

// notificationsGauge tells at each scrape how many notifications are in the
// queue. When the database does not answer, it tells nothing.
type notificationsGauge struct {
	queue tidb.Notifications
	log   *slog.Logger
	count *prometheus.Desc
}

func newNotificationsGauge(queue tidb.Notifications, log *slog.Logger) notificationsGauge {
	return notificationsGauge{queue: queue, log: log, count: prometheus.NewDesc("helfy_notifications",
		"Notifications of the last 30 days by state, the same for every process. Those that are dead were given up.",
		[]string{"channel", "state"}, nil)}
}

// Describe implements prometheus.Collector.
func (g notificationsGauge) Describe(descriptions chan<- *prometheus.Desc) { descriptions <- g.count }

// Collect implements prometheus.Collector.
func (g notificationsGauge) Collect(metrics chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), countTimeout)
	defer cancel()
	counts, err := g.queue.Counts(ctx)
	if err != nil {
		g.log.Warn("cannot tell the number of notifications", "error", err)
		return
	}
	for _, channel := range []notification.Channel{notification.Webhook, notification.Mail} {
		for _, state := range notification.States {
			metrics <- prometheus.MustNewConstMetric(g.count, prometheus.GaugeValue, float64(counts[channel][state]), string(channel), string(state))
		}
	}
}
