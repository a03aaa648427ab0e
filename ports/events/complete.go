package events

import (
	"context"
	"errors"
	"time"

	"helfy/app/projection"
)

const (
	// confirmAtMostEvery is the shortest time between two looks at how
	// complete the projection is: the watermarks of a tick come together.
	confirmAtMostEvery = 20 * time.Millisecond
	// confirmAtLeastEvery is the longest: other processes read watermarks too,
	// and a topic may change while there are none.
	confirmAtLeastEvery = time.Second
	// confirmTimeout bounds one look.
	confirmTimeout = 10 * time.Second
)

// keepComplete finds out how complete the projection is, whenever a watermark
// has been read, until ctx ends.
func (c *Consumer[R]) keepComplete(ctx context.Context) {
	var known error // what stands in the way, as it was logged
	for ctx.Err() == nil {
		moved, err := c.confirm(ctx)
		if ctx.Err() != nil {
			return
		}
		if moved && c.config.OnComplete != nil {
			c.config.OnComplete()
		}
		if errors.Is(err, projection.ErrUnread) || errors.Is(err, projection.ErrRetention) {
			select {
			case c.alarm <- err:
			default: // the run has not taken the last one yet
			}
		}
		c.sayStanding(ctx, known, err)
		known = err
		c.awaitWatermark(ctx)
	}
}

func (c *Consumer[R]) confirm(ctx context.Context) (moved bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, confirmTimeout)
	defer cancel()
	return c.config.Completeness.Confirm(ctx)
}

// sayStanding logs when the projection ceases to become more complete, and
// when it does so again; not each time that it is looked at.
func (c *Consumer[R]) sayStanding(ctx context.Context, known, err error) {
	for _, kind := range []error{projection.ErrRetention, projection.ErrUnread} {
		if errors.Is(err, kind) && errors.Is(known, kind) {
			return
		}
	}
	switch {
	case err == nil && known != nil:
		c.log.InfoContext(ctx, "it is known again how complete the projection is")
	case errors.Is(err, projection.ErrRetention):
		c.log.ErrorContext(ctx, "the projection becomes no more complete", "error", err)
	case errors.Is(err, projection.ErrUnread):
		c.log.InfoContext(ctx, "a partition was added, reading it too", "reason", err.Error())
	case err != nil && known == nil:
		c.log.WarnContext(ctx, "cannot find out how complete the projection is", "error", err)
	}
}

// awaitWatermark waits until a watermark has been read, or for
// confirmAtLeastEvery.
func (c *Consumer[R]) awaitWatermark(ctx context.Context) {
	for _, wait := range []struct {
		until <-chan struct{}
		time  time.Duration
	}{{nil, confirmAtMostEvery}, {c.watermark, confirmAtLeastEvery}} {
		timer := time.NewTimer(wait.time)
		select {
		case <-wait.until:
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
	}
}

// wake tells keepComplete of a watermark. It never blocks.
func (c *Consumer[R]) wake() {
	select {
	case c.watermark <- struct{}{}:
	default: // it is awake already
	}
}
