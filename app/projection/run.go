package projection

import (
	"errors"
	"time"
)

// RunState says how a run of a rebuild is doing.
type RunState string

// The states of a run.
const (
	// RunRunning: somebody is at work on it.
	RunRunning RunState = "running"
	// RunInterrupted: whoever was at work on it was killed; another run goes
	// on where it stopped.
	RunInterrupted RunState = "interrupted"
	// RunSwitched: readers see the new generation.
	RunSwitched RunState = "switched"
	// RunEqual: the new generation was equal, and thrown away as was asked.
	RunEqual RunState = "equal"
	// RunDiffers: the new generation is not as the live one.
	RunDiffers RunState = "differs"
	// RunFailed: another run goes on where it stopped.
	RunFailed RunState = "failed"
	// RunStopped: the process was shut down; another run goes on.
	RunStopped RunState = "stopped"
)

// RunStates are all states of a run.
var RunStates = []RunState{RunRunning, RunInterrupted, RunSwitched, RunEqual, RunDiffers, RunFailed, RunStopped}

// MaxDifferences is how many rows that differ a run keeps.
const MaxDifferences = 20

// Run is a run of a rebuild, as it is remembered.
type Run struct {
	Projection string
	// ID is a UUID.
	ID string
	// By says who asked for it.
	By                           string
	VerifyOnly, AcceptDifference bool
	// BeganAt and EndedAt bound it; EndedAt is zero until it ends.
	BeganAt, EndedAt time.Time
	State            RunState
	// Stage is the one that it is at, or ended in.
	Stage      Stage
	Generation int // 0 until it is known
	// ReadBefore is how many messages its generation had read when it began
	// to read, at ReadingAt, which is zero until then.
	ReadBefore int64
	ReadingAt  time.Time
	// Error says what went wrong, in words.
	Error string
	// Result is nil until it ends.
	Result *Rebuilt
	// Differences are the first rows that differ, at most MaxDifferences.
	Differences []Difference
}

// End sets what became of the run. stopped says that the process was shut
// down.
func (r *Run) End(at time.Time, result Rebuilt, err error, stopped bool) {
	r.EndedAt, r.Result, r.Generation = at, &result, max(r.Generation, result.Generation)
	switch {
	case err == nil && result.Switched:
		r.State = RunSwitched
	case err == nil:
		r.State = RunEqual
	case errors.Is(err, ErrDiffers):
		r.State = RunDiffers
	case stopped:
		r.State = RunStopped
	default:
		r.State = RunFailed
	}
	if err != nil {
		r.Error = err.Error()
	}
}
