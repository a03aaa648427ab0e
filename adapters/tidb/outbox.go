package tidb

import (
	"context"
	stdsql "database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill-sql/v4/pkg/sql"
	"github.com/ThreeDotsLabs/watermill/message"

	"helfy/domain"
)

// outboxColumns are the columns besides id and payload. Each travels in the
// message's metadata under its own name.
var outboxColumns = []string{
	"aggregatetype", "aggregateid", "type", "metadata", "seq", "prev_hash", "hash", "key_id", "occurred_at",
}

// chainKey is the unique key of an event's place in its chain.
const chainKey = "outbox_chain"

// publish writes events into the outbox, in the transaction.
func publish(ctx context.Context, tx *stdsql.Tx, events []domain.Event) error {
	publisher, err := sql.NewPublisher(sql.TxFromStdSQL(tx), sql.PublisherConfig{SchemaAdapter: outboxSchema{}}, watermill.NopLogger{})
	if err != nil {
		return fmt.Errorf("make outbox publisher: %w", err)
	}
	for _, event := range events {
		err := publisher.Publish("outbox", outboxMessage(ctx, event))
		if errorCode(err) == codeDuplicateKey && strings.Contains(err.Error(), chainKey) {
			return fmt.Errorf("%s, %d: %w", event.Chain(), event.Seq, errObstructed)
		}
		if err != nil {
			return fmt.Errorf("write event %s to the outbox: %w", event.ID, err)
		}
	}
	return nil
}

func outboxMessage(ctx context.Context, event domain.Event) *message.Message {
	msg := message.NewMessageWithContext(ctx, event.ID, []byte(event.Payload))
	for column, value := range map[string]string{
		"aggregatetype": event.AggregateType,
		"aggregateid":   event.AggregateID,
		"type":          string(event.Type),
		"metadata":      event.Metadata,
		"seq":           strconv.FormatUint(event.Seq, 10),
		"prev_hash":     event.PrevHash,
		"hash":          event.Hash,
		"key_id":        event.KeyID,
		"occurred_at":   domain.FormatTime(event.OccurredAt),
	} {
		msg.Metadata.Set(column, value)
	}
	return msg
}

// outboxSchema lets watermill-sql's publisher write our outbox table. Kafka
// gets the rows by change data capture, so nothing ever subscribes here.
type outboxSchema struct{}

var errNoSubscription = errors.New("the outbox is relayed by the change feed, not by a subscription")

func (outboxSchema) InsertQuery(params sql.InsertQueryParams) (sql.Query, error) {
	row := "(" + strings.TrimSuffix(strings.Repeat("?,", 2+len(outboxColumns)), ",") + ")"
	rows := make([]string, len(params.Msgs))
	args := make([]any, 0, len(params.Msgs)*(2+len(outboxColumns)))
	for i, msg := range params.Msgs {
		rows[i] = row
		args = append(args, msg.UUID, string(msg.Payload))
		for _, column := range outboxColumns {
			args = append(args, msg.Metadata.Get(column))
		}
	}
	return sql.Query{
		Query: "INSERT INTO outbox (id, payload, " + strings.Join(outboxColumns, ", ") + ") VALUES " + strings.Join(rows, ","),
		Args:  args,
	}, nil
}

func (outboxSchema) SelectQuery(sql.SelectQueryParams) (sql.Query, error) {
	return sql.Query{}, errNoSubscription
}

func (outboxSchema) UnmarshalMessage(sql.UnmarshalMessageParams) (sql.Row, error) {
	return sql.Row{}, errNoSubscription
}

// SchemaInitializingQueries is empty: migrations make the table.
func (outboxSchema) SchemaInitializingQueries(sql.SchemaInitializingQueriesParams) ([]sql.Query, error) {
	return nil, nil
}

func (outboxSchema) SubscribeIsolationLevel() stdsql.IsolationLevel { return stdsql.LevelDefault }

// published reports whether any of the events is in the outbox. An attempt
// writes all of its events or none.
func published(ctx context.Context, tx *stdsql.Tx, events []domain.Event) (bool, error) {
	if len(events) == 0 {
		return false, nil
	}
	var found int
	// FOR UPDATE reads what is committed now rather than the transaction's
	// snapshot.
	err := tx.QueryRowContext(ctx, "SELECT COUNT(*) FROM outbox WHERE id = ? FOR UPDATE", events[0].ID).Scan(&found)
	if err != nil {
		return false, fmt.Errorf("look for event %s in the outbox: %w", events[0].ID, err)
	}
	return found > 0, nil
}

// lockEventsAfter returns the events of a chain after a number, in order, and
// holds them. More than maxObstacles are an error.
func lockEventsAfter(ctx context.Context, tx *stdsql.Tx, chain domain.Chain, seq uint64) ([]domain.Event, error) {
	rows, err := tx.QueryContext(ctx, `
		SELECT id, aggregatetype, aggregateid, type, payload, metadata, seq, prev_hash, hash, key_id, occurred_at
		FROM outbox WHERE aggregatetype = ? AND aggregateid = ? AND seq > ? ORDER BY seq LIMIT ? FOR UPDATE`,
		chain.AggregateType, chain.AggregateID, seq, maxObstacles+1)
	if err != nil {
		return nil, fmt.Errorf("read events after %d: %w", seq, err)
	}
	defer rows.Close()
	var events []domain.Event
	for rows.Next() {
		var e domain.Event
		err := rows.Scan(&e.ID, &e.AggregateType, &e.AggregateID, &e.Type, &e.Payload, &e.Metadata,
			&e.Seq, &e.PrevHash, &e.Hash, &e.KeyID, &e.OccurredAt)
		if err != nil {
			return nil, fmt.Errorf("read event after %d: %w", seq, err)
		}
		events = append(events, e)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read events after %d: %w", seq, err)
	}
	if len(events) > maxObstacles {
		return nil, fmt.Errorf("more than %d events stand after the head, %d", maxObstacles, seq)
	}
	return events, nil
}
