package service

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"helfy/adapters/tidb"
	"helfy/app/projection"
)

// diaryTimeout bounds one entry of a rebuildDiary.
const diaryTimeout = 5 * time.Second

// rebuildDiary remembers a run of a rebuild, for whoever looks at projections
// from any process. One goroutine at a time uses it.
type rebuildDiary struct {
	runs  tidb.Rebuilds
	hooks rebuildHooks
	run   projection.Run
	begun bool
	dirty bool // the run has more than the database
}

func newRebuildDiary(runs tidb.Rebuilds, name string, options projection.RebuildOptions, hooks rebuildHooks) (*rebuildDiary, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return nil, fmt.Errorf("make the id of a rebuild: %w", err)
	}
	return &rebuildDiary{runs: runs, hooks: hooks, run: projection.Run{
		Projection: name, ID: id.String(), By: hooks.by, State: projection.RunRunning,
		VerifyOnly: options.VerifyOnly, AcceptDifference: options.AcceptDifference,
	}}, nil
}

// begin opens the diary, once.
func (d *rebuildDiary) begin(ctx context.Context) error {
	if d.begun {
		return nil
	}
	d.run.BeganAt = time.Now()
	if err := d.runs.Begin(ctx, d.run); err != nil {
		return err
	}
	if d.hooks.begun != nil {
		if err := d.hooks.begun(ctx); err != nil {
			return err
		}
	}
	d.begun = true
	return nil
}

// told takes in how far the rebuild is.
func (d *rebuildDiary) told(ctx context.Context, p projection.Progress) {
	if d.hooks.progress != nil {
		d.hooks.progress(p)
	}
	if p.Stage == projection.StageRead && d.run.ReadingAt.IsZero() {
		d.run.ReadingAt, d.run.ReadBefore, d.dirty = time.Now(), p.Done, true
	}
	if p.Stage == projection.StageCompare {
		d.run.Differences = nil // an outage has cut off the comparison before
	}
	if p.Stage != d.run.Stage || p.Generation != d.run.Generation {
		d.run.Stage, d.run.Generation, d.dirty = p.Stage, p.Generation, true
	}
	if !d.begun || !d.dirty {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, diaryTimeout)
	defer cancel()
	// What is not stored now is stored when the next progress is told, or at
	// the end: an outage is the rebuild's own to report.
	d.dirty = d.runs.Update(ctx, d.run) != nil
}

// keepDifferences lets the diary have the first rows that differ.
func (d *rebuildDiary) keepDifferences(options projection.RebuildOptions) projection.RebuildOptions {
	tell := options.Difference
	options.Difference = func(row projection.Difference) error {
		if len(d.run.Differences) < projection.MaxDifferences {
			d.run.Differences = append(d.run.Differences, row)
		}
		if tell == nil {
			return nil
		}
		return tell(row)
	}
	return options
}

// end closes the diary, also when ctx has ended.
func (d *rebuildDiary) end(ctx context.Context, rebuilt projection.Rebuilt, err error) error {
	if !d.begun {
		return nil
	}
	d.run.End(time.Now(), rebuilt, err, ctx.Err() != nil)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), diaryTimeout)
	defer cancel()
	return d.runs.Update(ctx, d.run)
}
