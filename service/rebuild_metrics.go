package service

import (
	"context"
	"time"

	"helfy/adapters/tidb"
	"helfy/app/projection"
	"helfy/app/query"
)

// collectRebuild tells how the last rebuild of a projection is doing, which may
// be another process's. There is nothing to tell if there was none.
func (g projectionGauges) collectRebuild(
	ctx context.Context, one registered, generations []projection.Generation, partitions []projection.Partition, tell tellGauge,
) error {
	run, err := tidb.NewRebuilds(g.db).Last(ctx, one.name())
	if err != nil || run == nil {
		return err
	}
	holder, err := tidb.HeldBy(ctx, g.db, g.config.lockOf(one.name()))
	if err != nil {
		return err
	}
	now := query.NewRebuildStatus(*run, holder, nil, time.Now()).State
	for _, state := range projection.RunStates {
		value := 0.0
		if state == now {
			value = 1
		}
		tell(g.rebuild, value, string(state))
	}
	for _, generation := range generations {
		if generation.Number == run.Generation && generation.State == projection.Building {
			backlog, err := one.generations().Backlog(ctx, generation.Number, partitions)
			if err != nil {
				return err
			}
			tell(g.progress, backlog.Read(partitions))
			return nil
		}
	}
	tell(g.progress, 1)
	return nil
}
