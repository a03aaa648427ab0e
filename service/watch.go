package service

import (
	"context"
	"log/slog"
	"time"

	"helfy/adapters/tidb"
	"helfy/app/query"
)

// latestChangefeed returns what a process keeps of the changefeed.
func (c Config) latestChangefeed() *query.LatestChangefeed {
	feed := c.feed()
	return query.NewLatestChangefeed(func(ctx context.Context) query.Changefeed {
		seen, err := feed.Look(ctx)
		if err != nil {
			return query.Changefeed{State: query.ChangefeedUnknown, Fault: err.Error()}
		}
		return seen
	}, time.Now)
}

// watchEvery is how often the changefeed is looked at: a gap after a
// changefeed that somebody removed begins at most that early.
const watchEvery = 10 * time.Second

// watchChangefeed remembers which changefeed runs and how far it has come,
// and says in the log what is wrong with it, until ctx ends.
func watchChangefeed(ctx context.Context, show query.ShowChangefeed, memory tidb.Changefeeds, log *slog.Logger) {
	for {
		known := show.Handle(ctx)
		switch known.State {
		case query.ChangefeedNormal:
		case query.ChangefeedUnknown, query.ChangefeedWarning:
			log.WarnContext(ctx, "the changefeed is in doubt", "state", known.State, "fault", known.Fault)
		default:
			log.ErrorContext(ctx, "the changefeed is not as it must be",
				"state", known.State, "fault", known.Fault, "differences", known.Differences)
		}
		if known.StartTs != 0 && known.State != query.ChangefeedUnknown {
			if err := memory.Note(ctx, known.StartTs, known.CheckpointTs); err != nil && ctx.Err() == nil {
				log.WarnContext(ctx, "cannot note how far the changefeed is", "error", err)
			}
		}
		select {
		case <-time.After(watchEvery):
		case <-ctx.Done():
			return
		}
	}
}
