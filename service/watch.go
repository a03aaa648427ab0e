package service

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"helfy/adapters/ticdc"
	"helfy/adapters/tidb"
	"helfy/app/query"
)

// latestChangefeed returns what a process keeps of the changefeed.
func (c Config) latestChangefeed() *query.LatestChangefeed {
	client, feed := ticdc.NewClient(c.TiCDCURL), c.feed()
	return query.NewLatestChangefeed(func(ctx context.Context) query.Changefeed {
		status, differences, err := client.Look(ctx, feed)
		return changefeedOf(status, differences, err)
	}, time.Now)
}

// changefeedOf puts TiCDC's answer into words.
func changefeedOf(status ticdc.Status, differences []string, err error) query.Changefeed {
	switch {
	case errors.Is(err, ticdc.ErrNoChangefeed):
		return query.Changefeed{State: query.ChangefeedMissing, Fault: "TiCDC: " + err.Error()}
	case err != nil:
		return query.Changefeed{State: query.ChangefeedUnknown, Fault: err.Error()}
	}
	state := query.ChangefeedState(status.State)
	if !slices.Contains(query.ChangefeedStates, state) {
		return query.Changefeed{State: query.ChangefeedUnknown, Fault: "TiCDC has a state that is not known: " + status.State}
	}
	found := query.Changefeed{State: state, StartTs: status.StartTs, CheckpointTs: status.CheckpointTs}
	for _, difference := range differences {
		found.Differ(difference)
	}
	if status.Error != nil {
		found.Fault = status.Error.String()
	}
	return found
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
