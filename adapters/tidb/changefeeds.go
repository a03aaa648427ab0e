package tidb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"helfy/app/command"
	"helfy/app/query"
	"helfy/domain"
)

// Changefeeds remembers the changefeeds of one id and finds the gaps between
// them. It implements query.Gaps and command.ChangefeedMemory and is safe for
// concurrent use.
type Changefeeds struct {
	db  *sql.DB
	id  string
	log query.AuditLog
}

var (
	_ query.Gaps               = Changefeeds{}
	_ command.ChangefeedMemory = Changefeeds{}
)

// NewChangefeeds returns the memory of the changefeeds of an id, of whose
// messages log tells how far they have arrived.
func NewChangefeeds(db *sql.DB, id string, log query.AuditLog) Changefeeds {
	return Changefeeds{db: db, id: id, log: log}
}

// Note implements command.ChangefeedMemory.
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

// Ensured implements command.ChangefeedMemory.
func (c Changefeeds) Ensured(ctx context.Context, startTs, checkpointTs uint64) error {
	err := inTx(ctx, c.db, func(ctx context.Context, tx *sql.Tx, _ bool) error {
		if err := c.note(ctx, tx, startTs, checkpointTs); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx,
			"UPDATE changefeeds SET ensured_at = UTC_TIMESTAMP(6) WHERE changefeed_id = ? AND start_ts = ?", c.id, startTs); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, "DELETE FROM changefeed_replacements WHERE changefeed_id = ?", c.id)
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

// Covered implements command.ChangefeedMemory.
func (c Changefeeds) Covered(ctx context.Context) (sent, arrived uint64, err error) {
	if arrived, err = c.log.CompleteThrough(ctx); err != nil {
		return 0, 0, err
	}
	err = inTx(ctx, c.db, func(ctx context.Context, tx *sql.Tx, _ bool) error {
		newest, err := c.newest(ctx, tx)
		if err != nil || newest == 0 {
			return err
		}
		var covered uint64
		err = tx.QueryRowContext(ctx, "SELECT MAX(last_watermark) FROM changefeeds WHERE changefeed_id = ?", c.id).Scan(&covered)
		if err != nil {
			return err
		}
		sent = max(covered, arrived)
		return c.advance(ctx, tx, newest, arrived)
	})
	if err != nil {
		return 0, 0, fmt.Errorf("read how far changefeeds have come: %w", err)
	}
	return sent, arrived, nil
}

// Replacement implements command.ChangefeedMemory.
func (c Changefeeds) Replacement(ctx context.Context) (*command.Replacement, error) {
	var begun command.Replacement
	err := c.db.QueryRowContext(ctx,
		"SELECT old_start_ts, checkpoint_ts FROM changefeed_replacements WHERE changefeed_id = ?", c.id).
		Scan(&begun.OldStartTs, &begun.CheckpointTs)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read which changefeed is being replaced: %w", err)
	}
	return &begun, nil
}

// BeginReplacement implements command.ChangefeedMemory.
func (c Changefeeds) BeginReplacement(ctx context.Context, replacement command.Replacement) error {
	err := inTx(ctx, c.db, func(ctx context.Context, tx *sql.Tx, _ bool) error {
		if err := c.note(ctx, tx, replacement.OldStartTs, replacement.CheckpointTs); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `
			REPLACE INTO changefeed_replacements (changefeed_id, old_start_ts, checkpoint_ts, begun_at)
			VALUES (?, ?, ?, UTC_TIMESTAMP(6))`, c.id, replacement.OldStartTs, replacement.CheckpointTs)
		return err
	})
	if err != nil {
		return fmt.Errorf("note that changefeed %s is replaced: %w", c.id, err)
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
