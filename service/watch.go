package service

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"helfy/adapters/ticdc"
	"helfy/adapters/tidb"
	"helfy/app/query"
	"helfy/domain"
)

// changefeed tells how the changefeed is doing.
func (c Config) changefeed(ctx context.Context) query.Changefeed {
	status, err := c.ChangefeedStatus(ctx)
	switch {
	case errors.Is(err, ticdc.ErrNoChangefeed):
		return query.Changefeed{State: query.ChangefeedMissing, Error: "TiCDC has no changefeed " + c.ChangefeedID}
	case err != nil:
		return query.Changefeed{State: query.ChangefeedUnknown, Error: "TiCDC does not answer as it should"}
	}
	state := query.Changefeed{State: status.State}
	if status.CheckpointTs != 0 {
		state.CheckpointAt = domain.TimeOfTSO(status.CheckpointTs)
	}
	if status.Error != nil {
		state.Error = status.Error.Code + ": " + status.Error.Message
	}
	return state
}

// watchEvery is how often the changefeed is looked at: a gap after a
// changefeed that somebody removed begins at most that early.
const watchEvery = 10 * time.Second

// watchChangefeed remembers which changefeed runs and how far it has come,
// until ctx ends.
func (c Config) watchChangefeed(ctx context.Context, memory tidb.Changefeeds, log *slog.Logger) {
	client := ticdc.NewClient(c.TiCDCURL)
	for {
		status, err := client.Status(ctx, c.ChangefeedID)
		switch {
		case err == nil && status.Fault(c.ChangefeedID) != nil:
			log.ErrorContext(ctx, "the changefeed does not run", "error", status.Fault(c.ChangefeedID))
			fallthrough
		case err == nil:
			err = memory.Note(ctx, status.StartTs)
		case errors.Is(err, ticdc.ErrNoChangefeed):
			log.ErrorContext(ctx, "the changefeed is gone; what is committed meanwhile will be a gap", "changefeed", c.ChangefeedID)
			err = nil
		}
		if err != nil && ctx.Err() == nil {
			log.WarnContext(ctx, "cannot look at the changefeed", "error", err)
		}
		select {
		case <-time.After(watchEvery):
		case <-ctx.Done():
			return
		}
	}
}
