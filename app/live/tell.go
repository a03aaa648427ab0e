package live

import (
	"context"
	"time"
)

const (
	// settle is how long the consumers have to take in a watermark before the
	// log is asked what it has become.
	settle = 250 * time.Millisecond
	// tellPause makes this at most once a second; the watermarks of all
	// partitions come together.
	tellPause = 500 * time.Millisecond
	// tellAtLeast is how often it is done without watermarks.
	tellAtLeast = 5 * time.Second
	tellTimeout = 5 * time.Second
	// shapeTimeout is short: while Kafka is away there is still the log.
	shapeTimeout = time.Second
)

// tell tells viewers how complete the log is and what was found, when
// watermarks have come, and notices when the topics change, until ctx ends.
func (f *Feed) tell(ctx context.Context) {
	var failing bool
	for {
		err := f.tellOnce(ctx)
		f.checkShape(ctx)
		if ctx.Err() != nil {
			return
		}
		if err != nil && !failing {
			f.config.Logger.WarnContext(ctx, "the audit stream cannot tell how complete the log is, trying again", "error", err)
		}
		failing = err != nil
		if !sleep(ctx, tellPause) || !f.awaitWatermark(ctx) || !sleep(ctx, settle) {
			return
		}
	}
}

// awaitWatermark waits for one, not for ever, and reports whether ctx goes on.
func (f *Feed) awaitWatermark(ctx context.Context) bool {
	timer := time.NewTimer(tellAtLeast)
	defer timer.Stop()
	select {
	case <-f.watermark:
	case <-timer.C:
	case <-ctx.Done():
		return false
	}
	return true
}

func (f *Feed) tellOnce(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, tellTimeout)
	defer cancel()
	complete := Completeness{At: time.Now()}
	var err error
	// In this order: see query.ListAudit.
	if complete.Through, err = f.config.Log.CompleteThrough(ctx); err != nil {
		return err
	}
	if complete.DeadLetters, err = f.config.Log.OpenDeadLetters(ctx); err != nil {
		return err
	}
	frame := f.config.Encoder.Complete(complete)
	f.mu.Lock()
	f.complete = frame
	f.told++
	f.mu.Unlock()
	signal(f.dirty)
	return f.tellFindings(ctx)
}

func (f *Feed) tellFindings(ctx context.Context) error {
	through, err := f.config.Log.VerifiedThrough(ctx)
	if err != nil {
		return err
	}
	f.mu.RLock()
	w, after := f.window, f.window.next.verified
	f.mu.RUnlock()
	if through == after {
		return nil
	}
	found, err := f.config.Log.FindingsBetween(ctx, after, through, maxFindings)
	if err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.window == w {
		// Less than before when verification has begun anew.
		w.addFindings(found, through, f.config.Encoder)
		signal(f.dirty)
	}
	return nil
}

// checkShape lets the reader look at the topics when they have changed. It
// cannot tell while Kafka is away.
func (f *Feed) checkShape(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, shapeTimeout)
	defer cancel()
	shapes, err := f.config.Source.Shapes(ctx, f.config.Topics)
	f.mu.RLock()
	defer f.mu.RUnlock()
	if err != nil {
		f.config.Logger.DebugContext(ctx, "the audit stream cannot look at the topics", "error", err)
		return
	}
	for i, shape := range shapes {
		id, err := newTopicID(shape.TopicID)
		if err != nil || id != f.window.next.topics[i].id || int(shape.Partitions) != len(f.window.readers[i]) {
			if f.interrupt != nil {
				f.interrupt()
			}
			return
		}
	}
}
