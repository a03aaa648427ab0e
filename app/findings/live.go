package findings

import (
	"context"
	"log/slog"
	"strconv"
	"time"

	"helfy/domain"
)

const (
	// atMostEvery is the shortest time between two looks at the log while
	// there is nothing to do.
	atMostEvery = 200 * time.Millisecond
	// atLeastEvery is the longest: it heals a wake-up that was lost, such as
	// that of another process.
	atLeastEvery = time.Second
	// stepTimeout bounds one step: a chunk is small, but a transaction that
	// somebody has made by hand need not be.
	stepTimeout = time.Minute
	// maxPause bounds the pause after steps that have failed.
	maxPause = 5 * time.Second
)

// Live keeps the findings up to date with the log. Make it with NewLive.
type Live struct {
	store   Store
	keyring *domain.Keyring
	log     *slog.Logger
	wake    chan struct{}
}

// NewLive returns what Run keeps up to date.
func NewLive(store Store, keyring *domain.Keyring, log *slog.Logger) *Live {
	return &Live{store: store, keyring: keyring, log: log, wake: make(chan struct{}, 1)}
}

// Wake says that the log may be complete beyond what is verified. It never
// blocks and may be called by any goroutine.
func (l *Live) Wake() {
	select {
	case l.wake <- struct{}{}:
	default: // it is awake already
	}
}

// Run verifies the log as it grows until ctx ends; the step under way is given
// up then, which loses nothing. Each new finding is logged once. A step that fails is logged and
// tried again: the database may be away.
func (l *Live) Run(ctx context.Context) {
	pause := atMostEvery
	for ctx.Err() == nil {
		more, err := l.step(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			l.log.ErrorContext(ctx, "cannot verify the audit log, trying again", "error", err, "pauseMs", pause.Milliseconds())
			sleep(ctx, pause)
			pause = min(2*pause, maxPause)
			continue
		case more:
		default:
			sleep(ctx, atMostEvery)
			l.await(ctx)
		}
		pause = atMostEvery
	}
}

// step verifies a chunk.
func (l *Live) step(ctx context.Context) (more bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, stepTimeout)
	defer cancel()
	progress, err := l.store.Advance(ctx, func(chunk Chunk) Verdict { return Judge(l.keyring, chunk) })
	for _, finding := range progress.New {
		l.log.ErrorContext(ctx, "finding", "kind", string(finding.Kind), "userId", int64(finding.UserID), "username", finding.Username,
			"commitTs", strconv.FormatUint(finding.CommitTs, 10), "table", finding.Table, "rowKey", finding.RowKey, "detail", finding.Detail,
			slog.Group("kafka", "topic", finding.Topic, "partition", finding.Partition, "offset", finding.Offset))
	}
	return progress.More, err
}

// await returns when somebody wakes it, after atLeastEvery, or when ctx ends.
func (l *Live) await(ctx context.Context) {
	timer := time.NewTimer(atLeastEvery - atMostEvery)
	defer timer.Stop()
	select {
	case <-l.wake:
	case <-timer.C:
	case <-ctx.Done():
	}
}

func sleep(ctx context.Context, duration time.Duration) {
	select {
	case <-time.After(duration):
	case <-ctx.Done():
	}
}

// CatchUp verifies the log as far as it is complete.
func CatchUp(ctx context.Context, store Store, keyring *domain.Keyring) error {
	for {
		progress, err := store.Advance(ctx, func(chunk Chunk) Verdict { return Judge(keyring, chunk) })
		if err != nil || !progress.More {
			return err
		}
	}
}
