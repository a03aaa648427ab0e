package command

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"helfy/app/query"
	"helfy/domain"
)

// The refusals of a ChangefeedServer that matter here.
var (
	// ErrBehindGC: what was committed after the wanted beginning is given up.
	ErrBehindGC = errors.New("the database has given up what was committed since")
	// ErrChangefeedExists: there is a changefeed of this id already.
	ErrChangefeedExists = errors.New("the changefeed is there already")
	// ErrUpdateRefused: a definition cannot be changed in place.
	ErrUpdateRefused = errors.New("the changefeed cannot be changed in place")
)

// ErrChangefeedDiffers says that a changefeed exists, but not as it must be.
var ErrChangefeedDiffers = errors.New("changefeed differs")

// ChangefeedServer is TiCDC as to the configured changefeed.
type ChangefeedServer interface {
	// Look returns what TiCDC tells of it, ChangefeedMissing if there is none.
	Look(ctx context.Context) (query.Changefeed, error)
	// Create makes it, to begin after a TSO, now if that is 0. It returns
	// ErrBehindGC or ErrChangefeedExists.
	Create(ctx context.Context, startTs uint64) error
	// Update gives a changefeed that does not run the definition that it must
	// have. It keeps its checkpoint. It returns ErrUpdateRefused if only another
	// changefeed can be so.
	Update(ctx context.Context) error
	// Pause stops it, which takes a moment longer than the call.
	Pause(ctx context.Context) error
	// Resume lets it go on from its checkpoint. It returns ErrBehindGC.
	Resume(ctx context.Context) error
	// Remove makes TiCDC forget it; one that is not there is no error.
	Remove(ctx context.Context) error
}

// Replacement is a change of the changefeed that is under way.
type Replacement struct {
	// OldStartTs tells which changefeed it is, CheckpointTs up to when everything
	// is in Kafka.
	OldStartTs, CheckpointTs uint64
}

// ChangefeedMemory remembers the changefeeds that ever fed the topics.
type ChangefeedMemory interface {
	query.ChangefeedMemory
	// Note remembers a changefeed and its checkpoint.
	Note(ctx context.Context, startTs, checkpointTs uint64) error
	// Covered returns the TSO up to which changefeeds are known to have sent
	// everything, and the one up to which that has arrived in the log, which is
	// not later; 0 where nothing is known. It remembers what has arrived as sent.
	Covered(ctx context.Context) (sent, arrived uint64, err error)
	// Replacement returns the one that is under way, nil without one.
	Replacement(ctx context.Context) (*Replacement, error)
	// BeginReplacement remembers it until Ensured, and its checkpoint for ever.
	BeginReplacement(ctx context.Context, replacement Replacement) error
	// Ensured remembers that a changefeed is as it must be.
	Ensured(ctx context.Context, startTs, checkpointTs uint64) error
}

// EnsureChangefeed asks for a changefeed as it must be.
type EnsureChangefeed struct {
	// Replace lets one that is not so be changed.
	Replace bool
	// FromNow lets one that is made begin now, and not where the last one ended:
	// what was committed in between is a gap. It is for a database that was put
	// back from a backup, whose past is another one than that of the topics.
	FromNow bool
	// Tell is told what is being done, a sentence each.
	Tell func(format string, args ...any)
}

// EnsuredChangefeed is what came of it.
type EnsuredChangefeed struct {
	// Done is unchanged, created, resumed, updated or replaced.
	Done       string
	Changefeed query.Changefeed
	// Lost is what no changefeed has sent and none will, nil if there is nothing:
	// it is kept as a gap.
	Lost *query.Gap
}

// EnsureChangefeedHandler makes the changefeed what it must be without losing
// what was committed meanwhile: a changed one goes on from its checkpoint, and
// so does one that takes the place of another. What is sent twice is absorbed.
// A handler that was killed half-way is gone on with by the next one. Only one
// may be at work at a time.
type EnsureChangefeedHandler struct {
	Server ChangefeedServer
	Memory ChangefeedMemory
	// Settle bounds how long a changefeed may take to stop, to go and to run.
	Settle time.Duration
}

// Handle ensures it. Without Replace, its error names what differs or what
// keeps the changefeed from running, and is ErrChangefeedDiffers.
func (h EnsureChangefeedHandler) Handle(ctx context.Context, ensure EnsureChangefeed) (done EnsuredChangefeed, err error) {
	seen, err := h.Server.Look(ctx)
	if err != nil {
		return done, err
	}
	begun, err := h.Memory.Replacement(ctx)
	if err != nil {
		return done, err
	}
	if begun != nil {
		ensure.Tell("going on with a replacement that was cut off")
	}
	switch {
	case seen.State == query.ChangefeedMissing:
		done.Done = "created"
		if begun != nil {
			done.Done = "replaced"
		}
		done.Lost, err = h.createAnew(ctx, ensure)
	case seen.State == query.ChangefeedNormal || seen.State == query.ChangefeedWarning:
		done.Done = "unchanged"
	case ensure.Replace || begun != nil:
		done.Done, done.Lost, err = h.change(ctx, ensure, seen)
	default:
		err = refusal(seen)
	}
	if err != nil {
		return EnsuredChangefeed{Done: done.Done, Changefeed: seen}, err
	}
	if done.Changefeed, err = h.Server.Look(ctx); err != nil {
		return done, err
	}
	if state := done.Changefeed.State; state != query.ChangefeedNormal && state != query.ChangefeedWarning {
		return done, refusal(done.Changefeed)
	}
	return done, h.Memory.Ensured(ctx, done.Changefeed.StartTs, done.Changefeed.CheckpointTs)
}

// refusal tells what is not as it must be, and what to do.
func refusal(seen query.Changefeed) error {
	faults := append([]string{}, seen.Differences...)
	if seen.State != query.ChangefeedDiffers {
		fault := "it is " + string(seen.State)
		if seen.Fault != "" {
			fault += ": " + seen.Fault
		}
		faults = append(faults, fault)
	}
	todo := "helfy changefeed ensure --replace makes it so"
	if seen.State == query.ChangefeedStopped && len(seen.Differences) == 0 {
		todo = "helfy changefeed resume lets it go on"
	}
	return fmt.Errorf("%w: %s (%s)", ErrChangefeedDiffers, strings.Join(faults, "; "), todo)
}

// createAnew makes a changefeed that begins where the last one ended: at best
// where the log does, because what Kafka has lost is sent again then.
func (h EnsureChangefeedHandler) createAnew(ctx context.Context, ensure EnsureChangefeed) (*query.Gap, error) {
	sent, arrived, err := h.Memory.Covered(ctx)
	if err != nil {
		return nil, err
	}
	for _, from := range begins(sent, arrived, ensure.FromNow) {
		ensure.Tell("creating the changefeed, to begin %s", fromText(from))
		err = h.Server.Create(ctx, from)
		switch {
		case errors.Is(err, ErrChangefeedExists):
			return nil, nil // somebody else was faster: it is looked at next
		case err == nil && from == 0 && sent != 0:
			return h.lost(ctx, sent)
		case from == 0 || !errors.Is(err, ErrBehindGC):
			return nil, err
		}
		ensure.Tell("%v", err)
	}
	return nil, err
}

// begins returns where a changefeed may begin, the best one first; 0 is now.
func begins(sent, arrived uint64, fromNow bool) []uint64 {
	switch {
	case fromNow || sent == 0:
		return []uint64{0}
	case arrived == 0 || arrived == sent:
		return []uint64{sent, 0}
	}
	return []uint64{arrived, sent, 0}
}

// lost returns what was committed before the changefeed that has just begun,
// and sent by none.
func (h EnsureChangefeedHandler) lost(ctx context.Context, sent uint64) (*query.Gap, error) {
	created, err := h.Server.Look(ctx)
	if err != nil {
		return nil, err
	}
	from := domain.TimeOfTSO(sent)
	return &query.Gap{From: &from, To: domain.TimeOfTSO(created.StartTs)}, nil
}

// change makes one that is there what it must be.
func (h EnsureChangefeedHandler) change(
	ctx context.Context, ensure EnsureChangefeed, seen query.Changefeed,
) (done string, lost *query.Gap, err error) {
	stopped, err := h.stop(ctx, ensure, seen)
	if err != nil {
		return "", nil, err
	}
	if stopped.State != query.ChangefeedStopped && stopped.State != query.ChangefeedFailed {
		return h.replace(ctx, ensure) // finished: it never runs again
	}
	done = "resumed"
	if len(stopped.Differences) > 0 {
		done = "updated"
		ensure.Tell("changing its definition: %s", strings.Join(stopped.Differences, "; "))
		updated, err := h.update(ctx)
		if err != nil {
			// What TiCDC does not accept leaves the old one as it was.
			return "", nil, errors.Join(fmt.Errorf("change the changefeed: %w", err), h.resumeOld(ctx, ensure, seen))
		}
		if !updated {
			return h.replace(ctx, ensure)
		}
	}
	ensure.Tell("resuming it from its checkpoint, %s", timeText(stopped.CheckpointTs))
	err = h.Server.Resume(ctx)
	if errors.Is(err, ErrBehindGC) {
		ensure.Tell("%v", err)
		return h.replace(ctx, ensure)
	}
	if err != nil {
		return "", nil, err
	}
	return done, nil, h.await(ctx, "to run", func(now query.Changefeed) bool { return now.State != query.ChangefeedStopped })
}

// resumeOld lets a changefeed go on that ran before and was stopped in vain.
func (h EnsureChangefeedHandler) resumeOld(ctx context.Context, ensure EnsureChangefeed, before query.Changefeed) error {
	if !runs(before) {
		return nil
	}
	ensure.Tell("resuming it as it was")
	return h.Server.Resume(ctx)
}

// stop stops the changefeed if it runs, and remembers how far it has come.
func (h EnsureChangefeedHandler) stop(
	ctx context.Context, ensure EnsureChangefeed, seen query.Changefeed,
) (stopped query.Changefeed, err error) {
	if err := h.remember(ctx, seen); err != nil {
		return seen, err
	}
	if !runs(seen) {
		return seen, nil
	}
	ensure.Tell("pausing the changefeed")
	if stopped, err = h.halt(ctx); err != nil {
		return seen, err
	}
	return stopped, h.remember(ctx, stopped)
}

// halt stops a changefeed that runs.
func (h EnsureChangefeedHandler) halt(ctx context.Context) (stopped query.Changefeed, err error) {
	if err := h.Server.Pause(ctx); err != nil {
		return stopped, err
	}
	err = h.await(ctx, "to stop", func(now query.Changefeed) bool {
		stopped = now
		return !runs(now)
	})
	return stopped, err
}

// runs reports whether a changefeed sends.
func runs(seen query.Changefeed) bool {
	return seen.State == query.ChangefeedNormal || seen.State == query.ChangefeedWarning || seen.State == query.ChangefeedDiffers
}

func (h EnsureChangefeedHandler) remember(ctx context.Context, seen query.Changefeed) error {
	return h.Memory.BeginReplacement(ctx, Replacement{OldStartTs: seen.StartTs, CheckpointTs: seen.CheckpointTs})
}

// Remove makes the server forget the changefeed, and remembers how far it came.
func (h EnsureChangefeedHandler) Remove(ctx context.Context) error {
	seen, err := h.Server.Look(ctx)
	if err != nil || seen.State == query.ChangefeedMissing {
		return err
	}
	if runs(seen) {
		if seen, err = h.halt(ctx); err != nil {
			return err
		}
	}
	if err := h.Memory.Note(ctx, seen.StartTs, seen.CheckpointTs); err != nil {
		return err
	}
	return h.Server.Remove(ctx)
}

// update changes the definition in place and reports whether that was
// possible.
func (h EnsureChangefeedHandler) update(ctx context.Context) (bool, error) {
	err := h.Server.Update(ctx)
	if errors.Is(err, ErrUpdateRefused) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	now, err := h.Server.Look(ctx)
	return len(now.Differences) == 0, err
}

// replace puts another changefeed in the place of one that cannot be mended,
// to begin at its checkpoint.
func (h EnsureChangefeedHandler) replace(ctx context.Context, ensure EnsureChangefeed) (string, *query.Gap, error) {
	ensure.Tell("it cannot be changed in place: removing it, to make another one")
	if err := h.Server.Remove(ctx); err != nil {
		return "", nil, err
	}
	err := h.await(ctx, "to be gone", func(now query.Changefeed) bool { return now.State == query.ChangefeedMissing })
	if err != nil {
		return "", nil, err
	}
	lost, err := h.createAnew(ctx, ensure)
	return "replaced", lost, err
}

// lookEvery is how often a change is looked for that takes a moment.
const lookEvery = 200 * time.Millisecond

// await waits until the changefeed is as wanted.
func (h EnsureChangefeedHandler) await(ctx context.Context, what string, wanted func(query.Changefeed) bool) error {
	ctx, cancel := context.WithTimeout(ctx, h.Settle)
	defer cancel()
	for {
		now, err := h.Server.Look(ctx)
		if err == nil && wanted(now) {
			return nil
		}
		select {
		case <-time.After(lookEvery):
		case <-ctx.Done():
			if err == nil {
				err = fmt.Errorf("it is %s", now.State)
			}
			return fmt.Errorf("wait for the changefeed %s: %w (the next call goes on): %w", what, ctx.Err(), err)
		}
	}
}

func fromText(ts uint64) string {
	if ts == 0 {
		return "now"
	}
	return "at " + timeText(ts)
}

func timeText(ts uint64) string { return domain.TimeOfTSO(ts).Format("2006-01-02T15:04:05.000Z") }
