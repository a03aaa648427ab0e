package tidb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"helfy/app/query"
	"helfy/domain"
)

// Changefeeds remembers the changefeeds of one id and finds the gaps between
// them. It implements query.Gaps and query.ChangefeedMemory and is safe for
// concurrent use.
type Changefeeds struct {
	db  *sql.DB
	id  string
	log query.AuditLog
}

var (
	_ query.Gaps             = Changefeeds{}
	_ query.ChangefeedMemory = Changefeeds{}
)

// NewChangefeeds returns the memory of the changefeeds of an id, whose
// watermarks log tells.
func NewChangefeeds(db *sql.DB, id string, log query.AuditLog) Changefeeds {
	return Changefeeds{db: db, id: id, log: log}
}

// Note remembers that a changefeed runs, and its checkpoint: everything up to
// it is in Kafka.
func (c Changefeeds) Note(ctx context.Context, startTs, checkpointTs uint64) error {
	err := inTx(ctx, c.db, func(ctx context.Context, tx *sql.Tx, _ bool) error {
		return c.note(ctx, tx, startTs, checkpointTs)
	})
	if err != nil {
		return fmt.Errorf("note changefeed %s: %w", c.id, err)
	}
	return nil
}

func (c Changefeeds) note(ctx context.Context, tx *sql.Tx, startTs, checkpointTs uint64) error {
	newest, err := c.newest(ctx, tx)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `
		INSERT IGNORE INTO changefeeds (changefeed_id, start_ts, last_watermark, late, ensured_at)
		SELECT ?, ?, ?, ? AND EXISTS (SELECT 1 FROM users WHERE created_at < ?), NULL`,
		c.id, startTs, startTs, newest == 0, domain.TimeOfTSO(startTs))
	if err != nil {
		return err
	}
	return c.advance(ctx, tx, startTs, checkpointTs)
}

// Ensured is Note of the changefeed that is as it must be.
func (c Changefeeds) Ensured(ctx context.Context, startTs, checkpointTs uint64) error {
	err := inTx(ctx, c.db, func(ctx context.Context, tx *sql.Tx, _ bool) error {
		if err := c.note(ctx, tx, startTs, checkpointTs); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, "UPDATE changefeeds SET ensured_at = UTC_TIMESTAMP(6) WHERE changefeed_id = ? AND start_ts = ?", c.id, startTs)
		return err
	})
	if err != nil {
		return fmt.Errorf("note that changefeed %s is as it must be: %w", c.id, err)
	}
	return nil
}

// Expected implements query.ChangefeedMemory.
func (c Changefeeds) Expected(ctx context.Context) (startTs uint64, err error) {
	err = c.db.QueryRowContext(ctx, `
		SELECT start_ts FROM changefeeds WHERE changefeed_id = ? AND ensured_at IS NOT NULL
		ORDER BY ensured_at DESC, start_ts DESC LIMIT 1`, c.id).Scan(&startTs)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return 0, fmt.Errorf("read which changefeed was ensured: %w", err)
	}
	return startTs, nil
}

// NoteEnd remembers how far the newest changefeed has come, before another
// one takes its place.
func (c Changefeeds) NoteEnd(ctx context.Context) error {
	watermark, err := c.log.CompleteThrough(ctx)
	if err != nil {
		return err
	}
	err = inTx(ctx, c.db, func(ctx context.Context, tx *sql.Tx, _ bool) error {
		newest, err := c.newest(ctx, tx)
		if err != nil || newest == 0 {
			return err
		}
		return c.advance(ctx, tx, newest, watermark)
	})
	if err != nil {
		return fmt.Errorf("note the end of changefeed %s: %w", c.id, err)
	}
	return nil
}

func (c Changefeeds) newest(ctx context.Context, tx *sql.Tx) (startTs uint64, err error) {
	err = tx.QueryRowContext(ctx,
		"SELECT start_ts FROM changefeeds WHERE changefeed_id = ? ORDER BY start_ts DESC LIMIT 1 FOR UPDATE", c.id).Scan(&startTs)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	return startTs, err
}

func (c Changefeeds) advance(ctx context.Context, tx *sql.Tx, startTs, watermark uint64) error {
	_, err := tx.ExecContext(ctx,
		"UPDATE changefeeds SET last_watermark = GREATEST(last_watermark, ?) WHERE changefeed_id = ? AND start_ts = ?",
		watermark, c.id, startTs)
	return err
}

// Gaps implements query.Gaps.
func (c Changefeeds) Gaps(ctx context.Context) ([]query.Gap, error) {
	rows, err := c.db.QueryContext(ctx,
		"SELECT start_ts, last_watermark, late FROM changefeeds WHERE changefeed_id = ? ORDER BY start_ts", c.id)
	if err != nil {
		return nil, fmt.Errorf("read changefeeds: %w", err)
	}
	defer rows.Close()
	var gaps []query.Gap
	var covered uint64
	for rows.Next() {
		var startTs, watermark uint64
		var late bool
		if err := rows.Scan(&startTs, &watermark, &late); err != nil {
			return nil, fmt.Errorf("read changefeed: %w", err)
		}
		if late {
			gaps = append(gaps, query.Gap{To: domain.TimeOfTSO(startTs)})
		}
		if covered != 0 && startTs > covered {
			from := domain.TimeOfTSO(covered)
			gaps = append(gaps, query.Gap{From: &from, To: domain.TimeOfTSO(startTs)})
		}
		covered = max(covered, watermark)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read changefeeds: %w", err)
	}
	return gaps, nil
}
