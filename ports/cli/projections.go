package cli

import (
	"encoding/json"
	"fmt"
	"time"

	"helfy/service"
)

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
