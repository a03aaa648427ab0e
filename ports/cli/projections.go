package cli

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"helfy/app/query"
)

type rollbackCommand struct {
	Projection string `arg:"" help:"Name of the projection."`
}

// Run implements the command.
func (r rollbackCommand) Run(s session) error {
	config, err := s.config(false)
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
	Digest bool `help:"Also sum up the rows of each generation, up to where all are complete, and tell which differ from the live one. Reads all rows."`
	JSON   bool `name:"json" help:"Print a JSON line for each generation."`
}

// Help implements kong.HelpProvider.
func (projectionsList) Help() string {
	return "LAG is how many messages a generation has not read yet, and how long ago its least watermark was: " +
		"that grows too while the changefeed stands still. COMPLETE THROUGH is up to when it has every record, " +
		"but for DEAD letters, of which those that are waived do not count. " +
		"A state is building, checking, live, standby or retired; docs/operations.md says what each means."
}

// Run implements the command.
func (p projectionsList) Run(s session) error {
	config, err := s.config(false)
	if err != nil {
		return err
	}
	generations, err := config.Projections(s.ctx, p.Digest)
	if err != nil {
		return err
	}
	if p.JSON {
		out := json.NewEncoder(s.stdout)
		for _, one := range generations {
			if err := out.Encode(one); err != nil {
				return fmt.Errorf("print generation: %w", err)
			}
		}
		return nil
	}
	return p.table(s, generations)
}

func (p projectionsList) table(s session, generations []query.GenerationStatus) error {
	table := tabwriter.NewWriter(s.stdout, 0, 0, 2, ' ', 0)
	columns := []string{"PROJECTION", "GENERATION", "STATE", "LAG", "COMPLETE THROUGH", "DEAD"}
	if p.Digest {
		columns = append(columns, "DIGEST")
	}
	lines := []string{strings.Join(append(columns, "AT WORK"), "\t")}
	for _, one := range generations {
		cells := []string{
			one.Projection, strconv.Itoa(one.Generation), string(one.State), lagText(one), throughText(one.CompleteThrough), deadText(one),
		}
		if p.Digest {
			cells = append(cells, digestText(one))
		}
		lines = append(lines, strings.Join(append(cells, one.AtWork), "\t"))
	}
	for _, line := range lines {
		if _, err := fmt.Fprintln(table, line); err != nil {
			return fmt.Errorf("print generations: %w", err)
		}
	}
	return table.Flush()
}

func lagText(one query.GenerationStatus) string {
	if one.LagSeconds == nil {
		return fmt.Sprintf("%d, no watermark yet", one.Lag)
	}
	return fmt.Sprintf("%d, %.1f s", one.Lag, *one.LagSeconds)
}

func throughText(through *time.Time) string {
	if through == nil {
		return "nothing yet"
	}
	return through.Format(time.RFC3339Nano)
}

func deadText(one query.GenerationStatus) string {
	if one.WaivedDeadLetters == 0 {
		return strconv.FormatInt(one.DeadLetters, 10)
	}
	return fmt.Sprintf("%d (and %d waived)", one.DeadLetters, one.WaivedDeadLetters)
}

func digestText(one query.GenerationStatus) string {
	if one.Digest == nil {
		return ""
	}
	text := fmt.Sprintf("%.16s… of %d rows", one.Digest.Sum, one.Digest.Rows)
	if one.DiffersFromLive {
		text += ", DIFFERS from the live one"
	}
	return text
}

type projectionsPrune struct {
	Projection string `arg:"" help:"Name of the projection."`
}

// Run implements the command.
func (p projectionsPrune) Run(s session) error {
	config, err := s.config(false)
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
