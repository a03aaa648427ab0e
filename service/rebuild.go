package service

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"helfy/adapters/kafka"
	"helfy/adapters/tidb"
	"helfy/app/findings"
	"helfy/app/projection"
	"helfy/domain"
)

// rebuildConns is the size of the pool of a rebuild: it writes all partitions
// side by side.
const rebuildConns = 16

// ErrNoProjection says that there is no projection of a name.
var ErrNoProjection = errors.New("no such projection")

// Rebuild makes a projection anew from the topics and lets the result take
// the place of the live one. Its errors are those of projection.Rebuild,
// ErrNoProjection and tidb.ErrHeld. progress is told a few times a second how
// far it is.
func (c Config) Rebuild(
	ctx context.Context, name string, options projection.RebuildOptions, progress func(projection.Progress),
) (rebuilt projection.Rebuilt, err error) {
	keyring, err := c.readKeyring()
	if err != nil {
		return rebuilt, err
	}
	err = c.withGenerations(ctx, name, func(ctx context.Context, db *sql.DB, generations tidb.Generations) error {
		brokers := kafka.Brokers(c.KafkaBrokers)
		store, log := tidb.NewAuditStore(db), c.auditLog(db)
		rebuild := projection.Rebuild[domain.AuditEntry]{
			Name: name, Projection: projection.Audit{Database: c.TiDBDatabase}, Topics: brokers, Generations: generations,
			Partitions: c.partitions,
			Store:      func(generation int) projection.BuildStore[domain.AuditEntry] { return store.Generation(generation) },
			Derive: func(ctx context.Context, generation int) error {
				return findings.CatchUp(ctx, tidb.NewVerification(db, log.Of(generation)), keyring)
			},
			Progress: progress,
		}
		rebuilt, err = rebuild.Run(ctx, options)
		return err
	})
	return rebuilt, err
}

// Rollback makes the generation live that was so before, and returns it.
func (c Config) Rollback(ctx context.Context, name string) (number int, err error) {
	err = c.withGenerations(ctx, name, func(ctx context.Context, _ *sql.DB, generations tidb.Generations) error {
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
	err = c.withGenerations(ctx, name, func(ctx context.Context, _ *sql.DB, generations tidb.Generations) error {
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

// withGenerations works on the generations of a projection while nobody else
// does.
func (c Config) withGenerations(
	ctx context.Context, name string, work func(context.Context, *sql.DB, tidb.Generations) error,
) (err error) {
	if name != projection.AuditName {
		return fmt.Errorf("%w: %q", ErrNoProjection, name)
	}
	pool := c.tidb()
	pool.MaxConns = rebuildConns
	db, err := tidb.Open(pool)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	held, release, err := tidb.Hold(ctx, db, c.TiDBDatabase+"."+name)
	if err != nil {
		return fmt.Errorf("work on the generations of %s: %w", name, err)
	}
	defer func() { err = errors.Join(err, release()) }()
	err = work(held, db, tidb.NewAuditGenerations(db, c.auditLog(db)))
	if err != nil && held.Err() != nil {
		err = errors.Join(err, context.Cause(held))
	}
	return err
}
