package tidb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"helfy/app/projection"
)

// Generations looks after the generations of one projection. It is safe for
// concurrent use, also by several processes.
//
// Whoever adds or removes a generation that is fed first locks the checkpoints
// of all that are, as each flush does, and writes to them: a flush that waits
// for the lock then reads them anew.
type Generations struct {
	db     *sql.DB
	layout Layout
}

var _ projection.Generations = Generations{}

// liveGeneration is the SQL of the number of a projection's live generation.
// Its argument is the projection's name.
const liveGeneration = "(SELECT generation FROM projection_generations WHERE projection = ? AND state = 'live')"

// Live implements projection.Generations.
func (g Generations) Live(ctx context.Context) (int, error) {
	number, err := live(ctx, g.db, g.layout.Name)
	if err == nil && number == 0 {
		err = fmt.Errorf("projection %s: %w", g.layout.Name, projection.ErrNoGeneration)
	}
	return number, err
}

// live returns the number of the live generation, 0 if there is none yet.
func live(ctx context.Context, from querier, name string) (number int, err error) {
	err = from.QueryRowContext(ctx,
		"SELECT generation FROM projection_generations WHERE projection = ? AND state = ?", name, projection.Live).Scan(&number)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return 0, fmt.Errorf("read the live generation of %s: %w", name, err)
	}
	return number, nil
}

// ensureLive makes the first generation if there is none at all.
func ensureLive(ctx context.Context, tx *sql.Tx, name string) error {
	now := time.Now().UTC()
	_, err := tx.ExecContext(ctx, `
		INSERT IGNORE INTO projection_generations (projection, generation, state, began_at, live_since)
		SELECT ?, ?, ?, ?, ? WHERE NOT EXISTS (SELECT 1 FROM projection_generations WHERE projection = ?)`,
		name, projection.FirstGeneration, projection.Live, now, now, name)
	if err != nil {
		return fmt.Errorf("make the first generation: %w", err)
	}
	return nil
}

// List returns all generations, the oldest first.
func (g Generations) List(ctx context.Context) ([]projection.Generation, error) {
	return listGenerations(ctx, g.db, g.layout.Name, "")
}

// listGenerations returns a projection's generations; lock is what follows the
// SELECT.
func listGenerations(ctx context.Context, from querier, name, lock string) ([]projection.Generation, error) {
	rows, err := from.QueryContext(ctx, `
		SELECT generation, state, began_at, live_since, complete_through FROM projection_generations
		WHERE projection = ? ORDER BY generation`+lock, name)
	if err != nil {
		return nil, fmt.Errorf("read generations: %w", err)
	}
	defer rows.Close()
	var all []projection.Generation
	for rows.Next() {
		var one projection.Generation
		var since sql.NullTime
		if err := rows.Scan(&one.Number, &one.State, &one.BeganAt, &since, &one.CompleteThrough); err != nil {
			return nil, fmt.Errorf("read generation: %w", err)
		}
		one.LiveSince = since.Time
		all = append(all, one)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read generations: %w", err)
	}
	return all, nil
}

// Begin implements projection.Generations.
func (g Generations) Begin(ctx context.Context) (begun projection.Generation, resumed bool, err error) {
	err = g.change(ctx, func(ctx context.Context, tx *sql.Tx, all []projection.Generation) error {
		begun, resumed = projection.Generation{State: projection.Building, BeganAt: time.Now().UTC()}, false
		for _, one := range all {
			if one.IsUnfinished() {
				begun, resumed = one, true
				return nil
			}
			begun.Number = max(begun.Number, one.Number)
		}
		begun.Number++
		_, err := tx.ExecContext(ctx,
			"INSERT INTO projection_generations (projection, generation, state, began_at) VALUES (?, ?, ?, ?)",
			g.layout.Name, begun.Number, begun.State, begun.BeganAt)
		return err
	})
	if err != nil {
		return begun, false, fmt.Errorf("begin a generation of %s: %w", g.layout.Name, err)
	}
	return begun, resumed, nil
}

// Supersede implements projection.Generations.
func (g Generations) Supersede(ctx context.Context, unfinished bool) error {
	all, err := g.List(ctx)
	if err != nil {
		return err
	}
	for _, one := range all {
		differed := one.State == projection.Standby && one.LiveSince.IsZero()
		if differed || one.State == projection.Retired || unfinished && one.IsUnfinished() {
			if err := g.Discard(ctx, one.Number); err != nil {
				return err
			}
		}
	}
	return nil
}

// Join implements projection.Generations. It returns
// projection.ErrNoGeneration if the generation is not being built. One that is
// Checking already stays it.
func (g Generations) Join(ctx context.Context, number int) error {
	// A look that holds nobody up.
	if err := g.behind(ctx, g.db, number, ""); err != nil {
		return fmt.Errorf("let generation %d of %s be fed: %w", number, g.layout.Name, err)
	}
	err := g.change(ctx, func(ctx context.Context, tx *sql.Tx, all []projection.Generation) error {
		if stateOf(all, number) == projection.Checking {
			return nil
		}
		if stateOf(all, number) != projection.Building {
			return projection.ErrNoGeneration
		}
		if err := g.moveEpoch(ctx, tx); err != nil {
			return err
		}
		if err := g.behind(ctx, tx, number, " FOR UPDATE"); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx,
			"UPDATE projection_checkpoints SET fed = TRUE WHERE projection = ? AND generation = ?", g.layout.Name, number)
		if err != nil {
			return fmt.Errorf("let it be fed: %w", err)
		}
		return g.setState(ctx, tx, number, projection.Checking)
	})
	if err != nil {
		return fmt.Errorf("let generation %d of %s be fed: %w", number, g.layout.Name, err)
	}
	return nil
}

// behind returns projection.ErrBehind or projection.ErrUnread, and names the
// partition, if a generation has read less than one that is fed. lock is what
// follows the SELECT.
func (g Generations) behind(ctx context.Context, from querier, number int, lock string) error {
	var topic string
	var partition int32
	var want int64
	var got sql.NullInt64
	err := from.QueryRowContext(ctx, `
		SELECT f.topic, f.kafka_partition, f.next_offset, c.next_offset
		FROM projection_checkpoints f LEFT JOIN projection_checkpoints c
		  ON c.projection = f.projection AND c.generation = ? AND c.topic = f.topic AND c.kafka_partition = f.kafka_partition
		WHERE f.projection = ? AND f.fed AND (c.next_offset IS NULL OR c.next_offset < f.next_offset)
		LIMIT 1`+lock, number, g.layout.Name).Scan(&topic, &partition, &want, &got)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil
	case err != nil:
		return fmt.Errorf("compare checkpoints: %w", err)
	case !got.Valid:
		return fmt.Errorf("%w: %s[%d], which the live one does", projection.ErrUnread, topic, partition)
	}
	return fmt.Errorf("%w: %s[%d] is at %d, the live one at %d", projection.ErrBehind, topic, partition, got.Int64, want)
}

// Switch implements projection.Generations. It returns
// projection.ErrNoGeneration if the generation is not fed, and
// projection.ErrBehind if it is less complete than the live one: readers must
// not see that go back.
func (g Generations) Switch(ctx context.Context, number int) error {
	err := g.change(ctx, func(ctx context.Context, tx *sql.Tx, all []projection.Generation) error {
		state := stateOf(all, number)
		if state == projection.Live {
			return nil
		}
		if !state.IsFed() {
			return projection.ErrNoGeneration
		}
		if err := isAsComplete(all, number); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx,
			"UPDATE projection_generations SET state = ? WHERE projection = ? AND state = ?",
			projection.Standby, g.layout.Name, projection.Live)
		if err != nil {
			return fmt.Errorf("retire the live one: %w", err)
		}
		_, err = tx.ExecContext(ctx,
			"UPDATE projection_generations SET state = ?, live_since = ? WHERE projection = ? AND generation = ?",
			projection.Live, time.Now().UTC(), g.layout.Name, number)
		return err
	})
	if err != nil {
		return fmt.Errorf("make generation %d of %s live: %w", number, g.layout.Name, err)
	}
	return nil
}

// Keep implements projection.Generations.
func (g Generations) Keep(ctx context.Context, number int) error {
	err := g.change(ctx, func(ctx context.Context, tx *sql.Tx, all []projection.Generation) error {
		switch stateOf(all, number) {
		case projection.Standby:
			return nil
		case projection.Checking:
			return g.setState(ctx, tx, number, projection.Standby)
		}
		return projection.ErrNoGeneration
	})
	if err != nil {
		return fmt.Errorf("keep generation %d of %s: %w", number, g.layout.Name, err)
	}
	return nil
}

// isAsComplete returns projection.ErrBehind if a generation is less complete
// than the live one.
func isAsComplete(all []projection.Generation, number int) error {
	var live, next projection.Generation
	for _, one := range all {
		if one.State == projection.Live {
			live = one
		}
		if one.Number == number {
			next = one
		}
	}
	if next.CompleteThrough < live.CompleteThrough {
		return fmt.Errorf("%w: it is complete through %d, the live one through %d",
			projection.ErrBehind, next.CompleteThrough, live.CompleteThrough)
	}
	return nil
}

// Retire ceases to feed a generation that is not live; its rows are left to
// whoever removes them. It returns projection.ErrNoGeneration if the
// generation is live or not there.
func (g Generations) Retire(ctx context.Context, number int) error {
	err := g.change(ctx, func(ctx context.Context, tx *sql.Tx, all []projection.Generation) error {
		state := stateOf(all, number)
		if state == projection.Retired || state == projection.Pruned {
			return nil
		}
		if state == projection.Live || state == "" {
			return projection.ErrNoGeneration
		}
		if err := g.moveEpoch(ctx, tx); err != nil {
			return err
		}
		if err := g.keepReads(ctx, tx, number); err != nil {
			return err
		}
		for _, table := range []string{"projection_checkpoints", "projection_dead_letters"} {
			if _, err := tx.ExecContext(ctx, "DELETE FROM "+table+" WHERE projection = ? AND generation = ?", g.layout.Name, number); err != nil {
				return fmt.Errorf("forget it in %s: %w", table, err)
			}
		}
		return g.setState(ctx, tx, number, projection.Retired)
	})
	if err != nil {
		return fmt.Errorf("retire generation %d of %s: %w", number, g.layout.Name, err)
	}
	return nil
}

// change runs work in a transaction that holds all generations.
func (g Generations) change(ctx context.Context, work func(context.Context, *sql.Tx, []projection.Generation) error) error {
	return inTx(ctx, g.db, func(ctx context.Context, tx *sql.Tx, _ bool) error {
		if err := ensureLive(ctx, tx, g.layout.Name); err != nil {
			return err
		}
		all, err := listGenerations(ctx, tx, g.layout.Name, " FOR UPDATE")
		if err != nil {
			return err
		}
		return work(ctx, tx, all)
	})
}

// moveEpoch locks the checkpoints that are fed, and makes flushes that wait
// for them read again which these are.
func (g Generations) moveEpoch(ctx context.Context, tx *sql.Tx) error {
	_, err := tx.ExecContext(ctx,
		"UPDATE projection_checkpoints SET epoch = epoch + 1 WHERE projection = ? AND fed", g.layout.Name)
	if err != nil {
		return fmt.Errorf("hold the checkpoints: %w", err)
	}
	return nil
}

func (g Generations) setState(ctx context.Context, tx *sql.Tx, number int, state projection.GenerationState) error {
	_, err := tx.ExecContext(ctx,
		"UPDATE projection_generations SET state = ? WHERE projection = ? AND generation = ?", state, g.layout.Name, number)
	if err != nil {
		return fmt.Errorf("make it %s: %w", state, err)
	}
	return nil
}

// stateOf returns the state of a generation, empty if it is not there.
func stateOf(all []projection.Generation, number int) projection.GenerationState {
	for _, one := range all {
		if one.Number == number {
			return one.State
		}
	}
	return ""
}
