package service

import (
	"context"
	"errors"
	"fmt"

	"helfy/adapters/tidb"
	"helfy/app/projection"
)

// rebuildConns is the size of the pool of a rebuild: it writes all partitions
// side by side.
const rebuildConns = 16

// Rebuild makes a projection anew from the topics and lets the result take
// the place of the live one. Its errors are those of projection.Rebuild,
// ErrNoProjection and tidb.ErrHeld. progress is told a few times a second how
// far it is.
func (c Config) Rebuild(
	ctx context.Context, name string, options projection.RebuildOptions, progress func(projection.Progress),
) (rebuilt projection.Rebuilt, err error) {
	err = c.withProjection(ctx, name, func(ctx context.Context, one registered) error {
		rebuilt, err = one.rebuild(ctx, c, options, progress)
		return err
	})
	return rebuilt, err
}

// Rollback makes the generation live that was so before, and returns it.
func (c Config) Rollback(ctx context.Context, name string) (number int, err error) {
	err = c.withProjection(ctx, name, func(ctx context.Context, one registered) error {
		generations := one.generations()
		all, err := generations.List(ctx)
		if err != nil {
			return err
		}
		before := projection.Generation{}
		for _, one := range all {
			if one.State == projection.Standby && one.LiveSince.After(before.LiveSince) {
				before = one
			}
		}
		if before.Number == 0 {
			return fmt.Errorf("no generation of %s that was live before is kept: %w", name, projection.ErrNoGeneration)
		}
		number = before.Number
		return generations.Switch(ctx, number)
	})
	return number, err
}

// Prune removes every generation but the live one and returns their numbers.
func (c Config) Prune(ctx context.Context, name string) (removed []int, err error) {
	err = c.withProjection(ctx, name, func(ctx context.Context, one registered) error {
		generations := one.generations()
		all, err := generations.List(ctx)
		if err != nil {
			return err
		}
		for _, one := range all {
			if one.State == projection.Live || one.State == projection.Pruned {
				continue
			}
			if err := generations.Discard(ctx, one.Number); err != nil {
				return err
			}
			removed = append(removed, one.Number)
		}
		return nil
	})
	return removed, err
}

// withProjection works on the generations of a projection while nobody else
// does.
func (c Config) withProjection(ctx context.Context, name string, work func(context.Context, registered) error) (err error) {
	pool := c.tidb()
	pool.MaxConns = rebuildConns
	db, err := tidb.Open(pool)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	one, err := find(c.projections(db, nil), name)
	if err != nil {
		return err
	}
	held, release, err := tidb.Hold(ctx, db, c.TiDBDatabase+"."+name)
	if err != nil {
		return fmt.Errorf("work on the generations of %s: %w", name, err)
	}
	defer func() { err = errors.Join(err, release()) }()
	err = work(held, one)
	if err != nil && held.Err() != nil {
		err = errors.Join(err, context.Cause(held))
	}
	return err
}
