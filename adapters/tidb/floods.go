package tidb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"helfy/app/command"
	"helfy/domain"
)

var _ command.Floods = (*Users)(nil)

// lockFlood reads a flood, if there is one, and holds it. The caller holds
// its chain.
func lockFlood(ctx context.Context, tx *sql.Tx, key command.FloodKey) (flood domain.Flood, found bool, err error) {
	var from, to sql.NullTime
	err = tx.QueryRowContext(ctx, `
		SELECT recorded, counted, first_at, last_at FROM login_floods
		WHERE aggregatetype = ? AND aggregateid = ? AND minute = ? FOR UPDATE`,
		key.Chain.AggregateType, key.Chain.AggregateID, key.Minute,
	).Scan(&flood.Recorded, &flood.Counted, &from, &to)
	if errors.Is(err, sql.ErrNoRows) {
		return domain.Flood{}, false, nil
	}
	if err != nil {
		return domain.Flood{}, false, fmt.Errorf("read flood: %w", err)
	}
	flood.From, flood.To = from.Time, to.Time
	return flood, true, nil
}

func saveFlood(ctx context.Context, tx *sql.Tx, key command.FloodKey, flood domain.Flood) error {
	_, err := tx.ExecContext(ctx, `
		REPLACE INTO login_floods (aggregatetype, aggregateid, minute, recorded, counted, first_at, last_at)
		VALUES (?, ?, ?, ?, ?, ?, ?)`,
		key.Chain.AggregateType, key.Chain.AggregateID, key.Minute,
		flood.Recorded, flood.Counted, nullTime(flood.From), nullTime(flood.To))
	if err != nil {
		return fmt.Errorf("write flood: %w", err)
	}
	return nil
}

func deleteFlood(ctx context.Context, tx *sql.Tx, key command.FloodKey) error {
	_, err := tx.ExecContext(ctx, "DELETE FROM login_floods WHERE aggregatetype = ? AND aggregateid = ? AND minute = ?",
		key.Chain.AggregateType, key.Chain.AggregateID, key.Minute)
	if err != nil {
		return fmt.Errorf("remove flood: %w", err)
	}
	return nil
}

// maxFloodRemovals bounds one removal of floods that need no event.
const maxFloodRemovals = 1000

// EndedFloods implements command.Floods.
func (u *Users) EndedFloods(ctx context.Context, before time.Time, limit int) ([]command.FloodKey, error) {
	_, err := u.db.ExecContext(ctx, "DELETE FROM login_floods WHERE minute < ? AND counted = 0 LIMIT ?", before, maxFloodRemovals)
	if err != nil {
		return nil, fmt.Errorf("remove floods that need no event: %w", err)
	}
	rows, err := u.db.QueryContext(ctx, `
		SELECT aggregatetype, aggregateid, minute FROM login_floods
		WHERE minute < ? AND counted > 0 ORDER BY minute, aggregatetype, aggregateid LIMIT ?`, before, limit)
	if err != nil {
		return nil, fmt.Errorf("list floods: %w", err)
	}
	defer rows.Close()
	var keys []command.FloodKey
	for rows.Next() {
		var key command.FloodKey
		if err := rows.Scan(&key.Chain.AggregateType, &key.Chain.AggregateID, &key.Minute); err != nil {
			return nil, fmt.Errorf("read flood: %w", err)
		}
		keys = append(keys, key)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("list floods: %w", err)
	}
	return keys, nil
}

// EndFlood implements command.Floods.
func (u *Users) EndFlood(ctx context.Context, key command.FloodKey, id domain.UserID, change func(*domain.User, domain.Flood)) error {
	return u.append(ctx, commandRecordFloods, func(ctx context.Context, tx *sql.Tx, a *appending) error {
		user, err := a.lockUser(ctx, tx, id)
		if errors.Is(err, command.ErrUserNotFound) {
			return deleteFlood(ctx, tx, key)
		}
		if err != nil {
			return err
		}
		flood, found, err := lockFlood(ctx, tx, key)
		if err != nil || !found {
			return err
		}
		change(user, flood)
		if err := save(ctx, tx, user); err != nil {
			return err
		}
		return deleteFlood(ctx, tx, key)
	})
}

// EndUnknownFlood implements command.Floods.
func (u *Users) EndUnknownFlood(
	ctx context.Context, key command.FloodKey, link func(domain.Head, domain.Flood) (domain.Event, domain.Head),
) error {
	return u.append(ctx, commandRecordFloods, func(ctx context.Context, tx *sql.Tx, a *appending) error {
		head, err := a.lockChain(ctx, tx, key.Chain)
		if err != nil {
			return err
		}
		flood, found, err := lockFlood(ctx, tx, key)
		if err != nil || !found {
			return err
		}
		event, head := link(head, flood)
		if err := extend(ctx, tx, key.Chain, event, head); err != nil {
			return err
		}
		return deleteFlood(ctx, tx, key)
	})
}
