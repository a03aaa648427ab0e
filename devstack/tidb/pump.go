package tidb

import (
	"context"
	"fmt"
	"time"

	"github.com/pingcap/tidb/pkg/util/logutil"
	"go.uber.org/zap"

	"helfy/devstack/feed"
	"helfy/devstack/feed/capture"
	"helfy/devstack/feed/change"
	"helfy/devstack/feed/tso"
)

const (
	// The resolved TSO moves when something commits, and so often otherwise.
	advanceInterval = 20 * time.Millisecond
	settleInterval  = 250 * time.Millisecond
	stateInterval   = time.Second
	collectInterval = time.Minute
)

// pump keeps the change feed going.
type pump struct {
	db      *database
	changes *change.Store
	feeds   *feed.Manager
	// collectEvery is how often what nobody needs any more is given up.
	collectEvery time.Duration
}

// run works until ctx ends. Its errors mean that changes could be lost: the
// process must not go on.
func (p *pump) run(ctx context.Context) error {
	advance, settle := time.NewTicker(advanceInterval), time.NewTicker(settleInterval)
	state, collect := time.NewTicker(stateInterval), time.NewTicker(p.collectEvery)
	defer advance.Stop()
	defer settle.Stop()
	defer state.Stop()
	defer collect.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			return nil
		case <-p.changes.Kicked():
			err = p.advance(ctx)
		case <-advance.C:
			err = p.advance(ctx)
		case <-settle.C:
			// What cannot be settled now holds the resolved TSO back, and
			// loses nothing.
			if err := p.settle(ctx); err != nil && ctx.Err() == nil {
				logutil.BgLogger().Warn("settle open transactions", zap.Error(err))
			}
		case <-state.C:
			err = p.changes.SaveState()
		case <-collect.C:
			err = p.collect(ctx)
		}
		if err != nil && ctx.Err() == nil {
			return fmt.Errorf("change feed: %w", err)
		}
	}
}

func (p *pump) advance(ctx context.Context) error {
	now, err := p.db.Now(ctx)
	if err != nil {
		return err
	}
	return p.changes.Advance(now)
}

func (p *pump) settle(ctx context.Context) error {
	now, err := p.db.Now(ctx)
	if err != nil {
		return err
	}
	return capture.Settle(ctx, p.changes, p.db.storage(), now)
}

func (p *pump) collect(ctx context.Context) error {
	now, err := p.db.Now(ctx)
	if err != nil {
		return err
	}
	return p.feeds.Collect(now)
}

// recoverChanges settles what the previous run left open, after it has made
// sure that the clock, from which TiDB takes its TSOs, has not gone back.
func recoverChanges(ctx context.Context, db *database, changes *change.Store, feeds *feed.Manager) error {
	now, err := waitForClock(ctx, db, max(changes.Newest(), feeds.Newest()))
	if err != nil {
		return err
	}
	if err := changes.Recover(now, func(keys [][]byte) (map[string][]byte, error) { return db.latest(ctx, keys) }); err != nil {
		return fmt.Errorf("recover the change feed: %w", err)
	}
	return nil
}

// patience is how far the clock may be behind to be waited for.
const patience = 5 * time.Second

func waitForClock(ctx context.Context, db *database, newest uint64) (uint64, error) {
	for {
		now, err := db.Now(ctx)
		if err != nil || now > newest {
			return now, err
		}
		behind := tso.Time(newest).Sub(tso.Time(now))
		if behind > patience {
			return 0, fmt.Errorf("the clock is %s behind the newest change, of %s: set it right, or the order of changes would break",
				behind.Round(time.Millisecond), tso.Time(newest).Format(time.RFC3339Nano))
		}
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
	}
}
