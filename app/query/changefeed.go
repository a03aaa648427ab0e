package query

import (
	"context"
	"fmt"
	"sync"
	"time"

	"helfy/domain"
)

// ChangefeedState is how a changefeed is doing, in a word.
type ChangefeedState string

// The states. Those up to ChangefeedRemoved are TiCDC's, see
// https://docs.pingcap.com/tidb/v8.5/ticdc-changefeed-overview.
const (
	ChangefeedNormal ChangefeedState = "normal"
	// ChangefeedWarning: it has met an error and tries again.
	ChangefeedWarning  ChangefeedState = "warning"
	ChangefeedStopped  ChangefeedState = "stopped"
	ChangefeedFailed   ChangefeedState = "failed"
	ChangefeedFinished ChangefeedState = "finished"
	// ChangefeedRemoved: TiCDC has none of the configured id, and once had.
	ChangefeedRemoved ChangefeedState = "removed"
	// ChangefeedMissing: TiCDC has none of the configured id, and none is known
	// to have been.
	ChangefeedMissing ChangefeedState = "missing"
	// ChangefeedUnknown: TiCDC does not answer as it should.
	ChangefeedUnknown ChangefeedState = "unknown"
	// ChangefeedDiffers: it runs, but not as it must.
	ChangefeedDiffers ChangefeedState = "differs"
)

// ChangefeedStates are all of them.
var ChangefeedStates = []ChangefeedState{
	ChangefeedNormal, ChangefeedWarning, ChangefeedStopped, ChangefeedFailed, ChangefeedFinished,
	ChangefeedRemoved, ChangefeedMissing, ChangefeedUnknown, ChangefeedDiffers,
}

// Changefeed is what is known of the changefeed.
type Changefeed struct {
	State ChangefeedState
	// StartTs and CheckpointTs are the TSO that it began at, which tells
	// changefeeds of one id apart, and the one up to which everything is in
	// Kafka; 0 while not known.
	StartTs, CheckpointTs uint64
	// CheckpointLag is how far the checkpoint is behind now; 0 without one, and
	// where clocks differ.
	CheckpointLag time.Duration
	// Differences says where it is not as it must be, a sentence each.
	Differences []string
	// Fault says what is wrong, in words; empty if nothing is. There is no
	// secret in it.
	Fault string
	// KnownAt is when TiCDC said so. While State is ChangefeedUnknown it is when
	// TiCDC answered last, which is where the other figures come from; zero if it
	// never has.
	KnownAt time.Time
}

// CheckpointAt is up to when everything is in Kafka, zero if not known.
func (c Changefeed) CheckpointAt() time.Time {
	if c.CheckpointTs == 0 {
		return time.Time{}
	}
	return domain.TimeOfTSO(c.CheckpointTs)
}

// Differ notes where it is not as it must be. A changefeed that does not run
// keeps its state.
func (c *Changefeed) Differ(difference string) {
	c.Differences = append(c.Differences[:len(c.Differences):len(c.Differences)], difference)
	if c.State == ChangefeedNormal || c.State == ChangefeedWarning {
		c.State = ChangefeedDiffers
	}
}

// changefeedTTL bounds how often TiCDC is asked, however many ask us.
const changefeedTTL = 5 * time.Second

// LatestChangefeed keeps what was last known of the changefeed. A process has
// one. It is safe for concurrent use.
type LatestChangefeed struct {
	look func(context.Context) Changefeed
	now  func() time.Time

	mu      sync.Mutex
	last    Changefeed
	asked   time.Time     // zero before the first answer
	looking chan struct{} // closed when the look under way has ended, nil without one
}

// NewLatestChangefeed returns one that learns by look, which returns
// ChangefeedUnknown with a fault if it cannot tell before its context ends.
func NewLatestChangefeed(look func(context.Context) Changefeed, now func() time.Time) *LatestChangefeed {
	return &LatestChangefeed{look: look, now: now}
}

// Get returns what is known, at most five seconds old unless somebody else is
// asking just now. It takes at most ProbeTimeout.
func (l *LatestChangefeed) Get(ctx context.Context) Changefeed {
	l.mu.Lock()
	fresh := !l.asked.IsZero() && l.now().Sub(l.asked) < changefeedTTL
	if fresh || l.looking != nil && !l.asked.IsZero() {
		defer l.mu.Unlock()
		return l.aged()
	}
	if first := l.looking; first != nil {
		l.mu.Unlock()
		select {
		case <-first:
			return l.Get(ctx)
		case <-ctx.Done():
			return Changefeed{State: ChangefeedUnknown, Fault: "TiCDC is being asked"}
		}
	}
	l.looking = make(chan struct{})
	l.mu.Unlock()
	return l.learn(ctx)
}

// learn looks, and lets the others know.
func (l *LatestChangefeed) learn(ctx context.Context) Changefeed {
	// One asker's haste must not make the others see a failure.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), ProbeTimeout)
	defer cancel()
	seen := l.look(ctx)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.asked = l.now()
	if seen.State == ChangefeedUnknown {
		l.last.State, l.last.Fault = seen.State, seen.Fault
	} else {
		seen.KnownAt = l.asked
		l.last = seen
	}
	close(l.looking)
	l.looking = nil
	return l.aged()
}

// aged returns what is known with its lag as of now.
func (l *LatestChangefeed) aged() Changefeed {
	known := l.last
	if at := known.CheckpointAt(); !at.IsZero() {
		known.CheckpointLag = max(0, l.now().Sub(at))
	}
	return known
}

// ChangefeedMemory remembers the changefeeds that ever fed the topics.
type ChangefeedMemory interface {
	// Expected returns the start_ts of the changefeed that was ensured last, 0
	// if none was.
	Expected(ctx context.Context) (startTs uint64, err error)
}

// ShowChangefeed tells how the changefeed is doing. It is safe for concurrent
// use.
type ShowChangefeed struct {
	Latest *LatestChangefeed
	Memory ChangefeedMemory
}

// Handle returns what TiCDC said last, held against what is remembered. When
// that cannot be read, which others tell of, it is what TiCDC said.
func (s ShowChangefeed) Handle(ctx context.Context) Changefeed {
	ctx, cancel := context.WithTimeout(ctx, ProbeTimeout)
	defer cancel()
	known := s.Latest.Get(ctx)
	if known.State == ChangefeedUnknown {
		return known
	}
	expected, err := s.Memory.Expected(ctx)
	switch {
	case err != nil || expected == 0:
	case known.State == ChangefeedMissing:
		known.State = ChangefeedRemoved
		known.Fault += ", which began at " + domain.TimeOfTSO(expected).Format(time.RFC3339) + ": somebody has removed it"
	case known.StartTs != expected:
		known.Differ(fmt.Sprintf("start_ts is %d (%s), want %d (%s): somebody has put another changefeed in its place",
			known.StartTs, domain.TimeOfTSO(known.StartTs).Format(time.RFC3339), expected, domain.TimeOfTSO(expected).Format(time.RFC3339)))
	}
	return known
}
