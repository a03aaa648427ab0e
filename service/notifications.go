package service

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"helfy/adapters/kafka"
	"helfy/adapters/mail"
	"helfy/adapters/tidb"
	"helfy/adapters/webhook"
	"helfy/app/notification"
	"helfy/app/projection"
	"helfy/ports/events"
)

const (
	// notifierConns is what notifications add to the pool: a flush, a look at
	// the findings, and some settlements.
	notifierConns = 4
	// maxNotificationPause bounds the pause between two tries.
	maxNotificationPause = time.Hour
	// notificationsKept is how long the queue keeps what is finished. A
	// message that comes again after that must be too old to be told of.
	notificationsKept = 30 * 24 * time.Hour
)

// notifies reports whether any channel is configured.
func (c Config) notifies() bool { return !c.WebhookURL.IsEmpty() || c.SMTPAddress != "" }

func (c Config) validateNotifications(check func(variable string, ok bool, format string, args ...any)) {
	if !c.WebhookURL.IsEmpty() {
		_, err := webhook.New(c.webhook())
		check("WEBHOOK_URL", err == nil, "with WEBHOOK_SECRETS: %v", err)
	}
	if c.SMTPAddress != "" {
		_, err := mail.New(c.mail())
		check("SMTP_ADDRESS", err == nil, "with SMTP_TLS, SMTP_USERNAME, MAIL_FROM and MAIL_TO: %v", err)
	}
	check("NOTIFICATION_TIMEOUT", c.NotificationTimeout > 0 && c.NotificationTimeout <= time.Minute, "want at most 1m, got %s", c.NotificationTimeout)
	check("NOTIFICATION_TRIES", c.NotificationTries > 0, "want at least 1, got %d", c.NotificationTries)
	check("NOTIFICATION_RETRY_FIRST", c.NotificationRetryFirst > 0 && c.NotificationRetryFirst <= maxNotificationPause,
		"want at most %s, got %s", maxNotificationPause, c.NotificationRetryFirst)
	check("NOTIFICATION_RETRY_FOR", c.NotificationRetryFor > 0, "want more than 0, got %s", c.NotificationRetryFor)
	check("NOTIFICATION_MAX_AGE", c.NotificationMaxAge > 0 && c.NotificationMaxAge <= notificationsKept,
		"want at most %s, got %s", notificationsKept, c.NotificationMaxAge)
}

func (c Config) webhook() webhook.Config {
	return webhook.Config{URL: c.WebhookURL, Secrets: webhook.ParseSecrets(c.WebhookSecrets), AllowPrivate: c.WebhookAllowPrivate}
}

func (c Config) mail() mail.Config {
	return mail.Config{
		Address: c.SMTPAddress, Security: mail.Security(c.SMTPTLS), Username: c.SMTPUsername, Password: c.SMTPPassword,
		From: c.MailFrom, To: c.MailTo, Timeout: c.NotificationTimeout,
	}
}

// notifier makes notifications and sends them.
type notifier struct {
	config   Config
	db       *sql.DB
	store    tidb.NotificationStore
	consumer consumer
	senders  []*notification.Sender
	log      *slog.Logger
}

// newNotifier returns what keeps notifications going, on the channels that are
// configured. There may be none.
func (c Config) newNotifier(
	db *sql.DB, observer *kafka.Observer, metrics prometheus.Registerer, measures consumption, log *slog.Logger,
) (*notifier, error) {
	if !c.notifies() {
		return nil, nil
	}
	queue := tidb.NewNotifications(db)
	tries := newNotificationTries(metrics)
	metrics.MustRegister(newNotificationsGauge(queue, log))
	n := &notifier{config: c, db: db, log: log}
	add := func(channel notification.Channel, carrier notification.Carrier, timeout time.Duration) {
		n.senders = append(n.senders, notification.NewSender(channel, queue, carrier, c.notificationPolicy(), timeout, tries.of(channel), log))
	}
	if !c.WebhookURL.IsEmpty() {
		carrier, err := webhook.New(c.webhook())
		if err != nil {
			return nil, fmt.Errorf("WEBHOOK_URL: %w", err)
		}
		add(notification.Webhook, carrier, c.NotificationTimeout)
	}
	if c.SMTPAddress != "" {
		carrier, err := mail.New(c.mail())
		if err != nil {
			return nil, fmt.Errorf("SMTP_ADDRESS: %w", err)
		}
		add(notification.Mail, carrier, mail.Steps*c.NotificationTimeout)
	}
	n.store = tidb.NewNotificationStore(db, c.notificationStore())
	topics := []string{c.EventsTopic}
	n.consumer = events.NewConsumer(measured(events.Config[projection.Notable]{
		Name:         projection.NotificationsName,
		Group:        c.group(projection.NotificationsName),
		Topics:       topics,
		Projection:   projection.Notables{},
		Store:        traced[projection.Notable](n.store, projection.NotificationsName, c.spans()),
		Completeness: projection.Completeness{Topics: topics, Store: n.store.Generations(), Kafka: observer},
		OnFresh: func(ctx context.Context, log *slog.Logger, outcome projection.Outcome[projection.Notable]) {
			if outcome.DeadLetter != "" {
				log.ErrorContext(ctx, "dead letter", "record", outcome.Record.String(), "reason", outcome.DeadLetter)
			}
			if len(outcome.Rows) > 0 {
				n.wake()
			}
		},
	}, measures.of(projection.NotificationsName)), c.Kafka(), log)
	return n, nil
}

func (c Config) notificationStore() tidb.NotificationConfig {
	config := tidb.NotificationConfig{MaxAge: c.NotificationMaxAge}
	if !c.WebhookURL.IsEmpty() {
		config.Channels = append(config.Channels, notification.Webhook)
	}
	if c.SMTPAddress != "" {
		config.Channels = append(config.Channels, notification.Mail)
	}
	return config
}

func (c Config) notificationPolicy() notification.Policy {
	return notification.Policy{
		Tries: c.NotificationTries, For: c.NotificationRetryFor, First: c.NotificationRetryFirst, Max: maxNotificationPause,
	}
}

func (n *notifier) wake() {
	for _, sender := range n.senders {
		sender.Wake()
	}
}

// run makes and sends notifications until ctx ends; then it finishes what is
// in hand.
func (n *notifier) run(ctx context.Context) {
	var running sync.WaitGroup
	running.Go(func() {
		if err := n.catchUp(ctx); err != nil && ctx.Err() == nil {
			n.log.WarnContext(ctx, "cannot read many records at a time, going on with few", "error", err)
		}
		n.consumer.Run(ctx)
	})
	running.Go(func() { notification.WatchFindings(ctx, n.store, n.wake, n.log) })
	for _, sender := range n.senders {
		running.Go(func() { sender.Run(ctx) })
	}
	running.Wait()
}

// Notifications returns up to limit notifications of a state, or of any if it
// is empty, the newest first.
func (c Config) Notifications(ctx context.Context, state notification.State, limit int) (all []notification.Stored, err error) {
	db, err := tidb.Open(c.tidb())
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return tidb.NewNotifications(db).List(ctx, state, limit)
}

// RetryNotifications makes a notification that is dead or expired due again, or
// all that are dead if id is empty, and returns how many there were.
func (c Config) RetryNotifications(ctx context.Context, id string) (count int64, err error) {
	db, err := tidb.Open(c.tidb())
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return tidb.NewNotifications(db).Retry(ctx, id)
}
