package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"helfy/app/projection"
	"helfy/domain"
)

type rebuildCommand struct {
	Projection string `arg:"" help:"Name of the projection, as helfy projections lists it."`
	Verify     bool   `xor:"what" help:"Compare the result with the live generation and throw it away."`
	AcceptDiff bool   `xor:"what" help:"Let the result go live although it differs, as it does with new code. Begins anew if a rebuild was cut off."`
	Diff       bool   `help:"Print the rows that differ, a JSON line each."`
	JSON       bool   `name:"json" help:"Print a JSON line for each row that differs and for the result; progress, as JSON, goes to standard error."`
}

// Help implements kong.HelpProvider.
func (rebuildCommand) Help() string {
	return `Reads the topics into a new generation beside the live one. Consumers then feed both. If their rows are equal up to
a common watermark, the new one takes the place of the live one, which is kept and fed on for a rollback, until it is
pruned. One that differs is kept beside it until the next rebuild. A rebuild that was cut off goes on where it stopped.
With new code, restart the consumers before: they write the new generation too.

Exit code: 0 if the result is equal or was accepted, 1 if it differs, 2 for any other failure.`
}

// The exit codes of a rebuild.
const (
	exitDiffers = 1
	exitFailed  = 2
)

// Run implements the command.
func (r rebuildCommand) Run(s session) error {
	err := r.run(s)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, projection.ErrDiffers):
		return exitError{err, exitDiffers}
	}
	return exitError{err, exitFailed}
}

func (r rebuildCommand) run(s session) error {
	config, err := s.config(true)
	if err != nil {
		return err
	}
	out := json.NewEncoder(s.stdout)
	options := projection.RebuildOptions{VerifyOnly: r.Verify, AcceptDifference: r.AcceptDiff}
	if r.Diff {
		options.Difference = func(row projection.Difference) error {
			return out.Encode(struct {
				Kind string `json:"kind"`
				projection.Difference
			}{"difference", row})
		}
	}
	progress := s.progress("rebuilding "+r.Projection, r.JSON)
	rebuilt, err := config.Rebuild(s.ctx, r.Projection, options, func(p projection.Progress) { tellRebuild(progress, p) })
	progress.end()
	switch {
	case r.JSON:
		return errors.Join(err, out.Encode(newRebuildResult(rebuilt, err)))
	case rebuilt.Compared:
		return errors.Join(err, sayRebuilt(s, rebuilt))
	}
	return err
}

// tellRebuild tells how far a rebuild is.
func tellRebuild(to *progress, p projection.Progress) {
	switch p.Stage {
	case projection.StageRead:
		to.from(p.Done)
		to.update(p.Done, p.Total)
	case projection.StageJoin:
		to.stage(p.Stage, "catching up with the consumers", nil)
	case projection.StageDerive:
		to.stage(p.Stage, fmt.Sprintf("deriving what follows from the rows of generation %d", p.Generation), nil)
	case projection.StageCompare:
		to.stage(p.Stage, "comparing", nil)
	case projection.StageWait:
		to.stage(p.Stage, "trying again", p.Trouble)
	}
}

// rebuildResult is the last line of a rebuild with --json.
type rebuildResult struct {
	Kind string `json:"kind"`
	projection.Rebuilt
	// Through is nil if nothing was compared, or all rows were.
	Through *time.Time `json:"through"`
	Error   string     `json:"error,omitempty"`
}

func newRebuildResult(rebuilt projection.Rebuilt, err error) rebuildResult {
	result := rebuildResult{Kind: "result", Rebuilt: rebuilt}
	if rebuilt.Compared && rebuilt.Through != projection.AllRows {
		through := domain.TimeOfTSO(rebuilt.Through)
		result.Through = &through
	}
	if err != nil {
		result.Error = err.Error()
	}
	return result
}

func sayRebuilt(s session, rebuilt projection.Rebuilt) error {
	compared := "differs from"
	if rebuilt.Equal {
		compared = "is equal to"
	}
	became := "is kept beside it until the next rebuild"
	switch {
	case rebuilt.Switched:
		became = "is live now"
	case rebuilt.Discarded:
		became = "was thrown away"
	}
	through := "in all rows, for want of a watermark"
	if rebuilt.Through != projection.AllRows {
		through = "up to " + domain.TimeOfTSO(rebuilt.Through).Format(time.RFC3339Nano)
	}
	return s.say("generation %d (%d rows, digest %.16s…) %s the live generation %d (%d rows, digest %.16s…) %s, and %s",
		rebuilt.Generation, rebuilt.New.Rows, rebuilt.New.Sum, compared, rebuilt.Live, rebuilt.Old.Rows, rebuilt.Old.Sum, through, became)
}
