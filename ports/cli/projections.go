package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"helfy/app/projection"
	"helfy/domain"
	"helfy/service"
)

type rebuildCommand struct {
	Projection string `arg:"" help:"Name of the projection, as helfy projections lists it."`
	Verify     bool   `xor:"what" help:"Compare the result with the live generation and throw it away."`
	AcceptDiff bool   `xor:"what" help:"Let the result go live although it differs, as it does with new code."`
	Diff       bool   `help:"Print the rows that differ, a JSON line each."`
	JSON       bool   `name:"json" help:"Print progress and result as JSON."`
}

// Run implements the command.
func (r rebuildCommand) Run(s session) error {
	config, err := service.ReadConfig(true)
	if err != nil {
		return err
	}
	progress := s.progress("rebuilding "+r.Projection, r.JSON)
	options := projection.RebuildOptions{VerifyOnly: r.Verify, AcceptDifference: r.AcceptDiff}
	if r.Diff {
		out := json.NewEncoder(s.stdout)
		options.Difference = func(row projection.Difference) error { return out.Encode(row) }
	}
	rebuilt, err := config.Rebuild(s.ctx, r.Projection, options, func(p projection.Progress) { progress.update(p.Done, p.Total) })
	progress.end()
	if !rebuilt.Compared {
		return err
	}
	if r.JSON {
		return errors.Join(err, json.NewEncoder(s.stdout).Encode(rebuilt))
	}
	return errors.Join(err, sayRebuilt(s, rebuilt))
}

func sayRebuilt(s session, rebuilt projection.Rebuilt) error {
	compared := "differs from"
	if rebuilt.Equal {
		compared = "is equal to"
	}
	became := "is kept beside it"
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

type rollbackCommand struct {
	Projection string `arg:"" help:"Name of the projection."`
}

// Run implements the command.
func (r rollbackCommand) Run(s session) error {
	config, err := service.ReadConfig(false)
	if err != nil {
		return err
	}
	number, err := config.Rollback(s.ctx, r.Projection)
	if err != nil {
		return err
	}
	return s.say("generation %d of %s is live again", number, r.Projection)
}

type projectionsCommand struct {
	List  projectionsList  `cmd:"" default:"withargs" help:"Show the generations of each projection, how far they are and their dead letters."`
	Prune projectionsPrune `cmd:"" help:"Remove every generation of a projection but the live one."`
}

type projectionsList struct {
	JSON bool `name:"json" help:"Print a JSON line for each generation."`
}

// Run implements the command.
func (p projectionsList) Run(s session) error {
	config, err := service.ReadConfig(false)
	if err != nil {
		return err
	}
	generations, err := config.Projections(s.ctx)
	if err != nil {
		return err
	}
	for _, one := range generations {
		if p.JSON {
			if err := json.NewEncoder(s.stdout).Encode(one); err != nil {
				return fmt.Errorf("print generation: %w", err)
			}
			continue
		}
		through := "nothing yet"
		if one.CompleteThrough != nil {
			through = one.CompleteThrough.Format(time.RFC3339Nano)
		}
		if err := s.say("%s generation %d  %s  complete through %s, %d messages behind, %d dead letters",
			one.Projection, one.Generation, one.State, through, one.Lag, one.DeadLetters); err != nil {
			return err
		}
	}
	return nil
}

type projectionsPrune struct {
	Projection string `arg:"" help:"Name of the projection."`
}

// Run implements the command.
func (p projectionsPrune) Run(s session) error {
	config, err := service.ReadConfig(false)
	if err != nil {
		return err
	}
	removed, err := config.Prune(s.ctx, p.Projection)
	if err != nil {
		return err
	}
	if len(removed) == 0 {
		return s.say("%s has no generation but the live one", p.Projection)
	}
	return s.say("removed generations %v of %s", removed, p.Projection)
}
