package events

import (
	"context"
	"log/slog"

	"helfy/app/projection"
	"helfy/canaljson"
	"helfy/domain"
)

// LogAudit writes what a record says as one line: an event, a change, a
// schema change or a dead letter. Watermarks are silent.
func LogAudit(ctx context.Context, log *slog.Logger, outcome projection.Outcome[domain.AuditEntry]) {
	record := outcome.Record
	log = log.With(slog.Group("kafka", "partition", record.Partition, "offset", record.Offset))
	if outcome.DeadLetter != "" {
		log.ErrorContext(ctx, "dead letter", "topic", record.Topic, "reason", outcome.DeadLetter)
		return
	}
	for _, entry := range outcome.Rows {
		if entry.Source == domain.SourceEvent {
			log.InfoContext(ctx, "event", "source", "kafka-user-events", "event", string(entry.EventType),
				"userId", int64(entry.UserID), "username", entry.Username, "ip", entry.IP)
		}
	}
	switch m := outcome.Message.(type) {
	case *canaljson.Change:
		if len(outcome.Rows) == 1 && outcome.Rows[0].Source == domain.SourceChange {
			log.InfoContext(ctx, "change", "source", "TiDB-CDC", "topic", record.Topic, "operation", string(m.Operation),
				"database", m.Database, "table", m.Table, "data", rowValue(m.Row()))
		}
	case *canaljson.DDL:
		log.InfoContext(ctx, "schema change", "source", "TiDB-CDC", "topic", record.Topic, "operation", m.Type,
			"database", m.Database, "table", m.Table)
	}
}

func rowValue(row canaljson.Row) map[string]any {
	values := make(map[string]any, len(row))
	for _, cell := range row {
		values[cell.Name] = cell.Text
		if cell.Null {
			values[cell.Name] = nil
		}
	}
	return values
}
