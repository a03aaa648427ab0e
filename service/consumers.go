package service

import (
	"context"
	"database/sql"
	"log/slog"

	"helfy/adapters/kafka"
	"helfy/adapters/tidb"
	"helfy/app/findings"
	"helfy/app/projection"
	"helfy/domain"
	"helfy/ports/events"
)

// consumer keeps a projection up to date until ctx ends.
type consumer interface{ Run(ctx context.Context) }

// group returns the prefix of the names of a projection's consumer groups. The
// audit projection has the configured one to itself.
func (c Config) group(name string) string {
	if name == projection.AuditName {
		return c.ConsumerGroup
	}
	return c.ConsumerGroup + "." + name
}

// consumers returns the consumer of each projection. Watermarks of the audit
// log wake the verification.
func (c Config) consumers(db *sql.DB, live *findings.Live, log *slog.Logger) []consumer {
	broker := kafka.Brokers(c.KafkaBrokers)
	return []consumer{
		events.NewConsumer(events.Config[domain.AuditEntry]{
			Name:       projection.AuditName,
			Group:      c.group(projection.AuditName),
			Topics:     []string{c.ChangesTopic, c.EventsTopic},
			Projection: projection.Audit{Database: c.TiDBDatabase},
			Store:      tidb.NewAuditStore(db),
			OnFresh: func(ctx context.Context, log *slog.Logger, outcome projection.Outcome[domain.AuditEntry]) {
				events.LogAudit(ctx, log, outcome)
				if outcome.Watermark != 0 {
					live.Wake()
				}
			},
		}, broker, log),
	}
}
