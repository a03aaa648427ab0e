package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"text/tabwriter"

	"helfy/app/projection"
	"helfy/service"
)

type deadLetterCommands struct {
	List  deadLetterList  `cmd:"" default:"withargs" help:"List the messages that projections could not understand."`
	Show  deadLetterShow  `cmd:"" help:"Show a dead letter and its bytes."`
	Retry deadLetterRetry `cmd:"" help:"Try dead letters again, as after an upgrade; exit code 1 if an open one is still not understood."`
	Waive deadLetterWaive `cmd:"" help:"Record that projections may do without a dead letter; it no longer counts against their completeness."`
}

type deadLetterList struct {
	Projection string `placeholder:"NAME" help:"Only those of a projection."`
	Generation int    `placeholder:"N" help:"Those of a generation of --projection, instead of the live one."`
	State      string `enum:"open,waived,any" default:"any" help:"Only those that are ${enum}."`
	JSON       bool   `name:"json" help:"Print a JSON line each."`
}

// tableBlock is how many rows are aligned together, which bounds what is held.
const tableBlock = 1000

// reasonWidth is how many characters of a reason the table has.
const reasonWidth = 80

// Run implements the command.
func (d deadLetterList) Run(s session) error {
	if d.Generation != 0 && d.Projection == "" {
		return errors.New("--generation: needs --projection, whose generation it is")
	}
	config, err := s.config(false)
	if err != nil {
		return err
	}
	filter := projection.DeadLetterFilter{Projection: d.Projection, Generation: d.Generation}
	if d.State != "any" {
		filter.State = projection.DeadLetterState(d.State)
	}
	if d.JSON {
		out := json.NewEncoder(s.stdout)
		return config.DeadLetters(s.ctx, filter, 0, func(letter projection.DeadLetter) error { return out.Encode(newDeadLetterLine(letter)) })
	}
	table := tabwriter.NewWriter(s.stdout, 0, 0, 2, ' ', 0)
	count := map[projection.DeadLetterState]int{}
	rows := 0
	err = config.DeadLetters(s.ctx, filter, 0, func(letter projection.DeadLetter) error {
		if rows%tableBlock == 0 {
			if err := table.Flush(); err != nil {
				return err
			}
			if _, err := fmt.Fprintln(table, "PROJECTION\tPLACE\tSTATE\tSENT\tBYTES\tREASON"); err != nil {
				return err
			}
		}
		rows++
		count[letter.State()]++
		_, err := fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%d\t%s\n",
			letter.Projection, letter.Place, letter.State(), sentAt(letter), letter.Size, shorten(printable(letter.Reason), reasonWidth))
		return err
	})
	if err := errors.Join(err, table.Flush()); err != nil {
		return err
	}
	return s.say("%d open, %d waived", count[projection.DeadLetterOpen], count[projection.DeadLetterWaived])
}

type deadLetterShow struct {
	Place      string `arg:"" name:"topic/partition/offset" help:"Where it is."`
	Projection string `placeholder:"NAME" help:"Only that of a projection."`
	Generation int    `placeholder:"N" help:"That of a generation of --projection, instead of the live one."`
	As         string `enum:"auto,text,hex,base64" default:"auto" help:"How to print the bytes: ${enum}; auto is text if they are UTF-8. Text has control characters escaped."`
	Bytes      int    `default:"4096" help:"How many bytes to print at most, 0 for all that are kept."`
	JSON       bool   `name:"json" help:"Print a JSON line for each projection, the bytes in base64."`
}

// Run implements the command.
func (d deadLetterShow) Run(s session) error {
	if d.Generation != 0 && d.Projection == "" {
		return errors.New("--generation: needs --projection, whose generation it is")
	}
	if d.Bytes < 0 {
		return errors.New("--bytes: must not be negative")
	}
	place, config, err := s.readPlace(d.Place)
	if err != nil {
		return err
	}
	filter := projection.DeadLetterFilter{Projection: d.Projection, Generation: d.Generation, Place: &place}
	found := false
	err = config.DeadLetters(s.ctx, filter, math.MaxInt32, func(letter projection.DeadLetter) error {
		found = true
		if d.JSON {
			return json.NewEncoder(s.stdout).Encode(newShownDeadLetter(letter))
		}
		return printDeadLetter(s.stdout, letter, d.As, d.Bytes)
	})
	if err == nil && !found {
		err = fmt.Errorf("%s: %w", place, projection.ErrNoDeadLetter)
	}
	return err
}

type deadLetterRetry struct {
	Place      string `arg:"" optional:"" name:"topic/partition/offset" help:"Where it is."`
	All        bool   `help:"Try all of them, the waived ones too."`
	Projection string `placeholder:"NAME" help:"Only those of a projection."`
	JSON       bool   `name:"json" help:"Print a JSON line each."`
}

// retriedLine is a dead letter that was tried again, as it is printed.
type retriedLine struct {
	Projection string                     `json:"projection"`
	Place      string                     `json:"place"`
	Understood bool                       `json:"understood"`
	Rows       int                        `json:"rows"`
	State      projection.DeadLetterState `json:"state,omitempty"`
	Reason     string                     `json:"reason,omitempty"`
}

// Run implements the command.
func (d deadLetterRetry) Run(s session) error {
	if (d.Place == "") != d.All {
		return errors.New("name one dead letter as TOPIC/PARTITION/OFFSET, or say --all")
	}
	var at *projection.Place
	config, err := s.config(false)
	if err == nil && !d.All {
		var place projection.Place
		place, config, err = s.readPlace(d.Place)
		at = &place
	}
	if err != nil {
		return err
	}
	understood, open, waived := 0, 0, 0
	err = config.RetryDeadLetters(s.ctx, d.Projection, at, func(retried projection.RetriedLetter) error {
		switch {
		case retried.Reason == "":
			understood++
		case retried.State == projection.DeadLetterWaived:
			waived++
		default:
			open++
		}
		return d.print(s, retried)
	})
	if err == nil && !d.JSON {
		err = s.say("%d understood, %d still open, %d still waived", understood, open, waived)
	}
	if err == nil && open > 0 {
		err = fmt.Errorf("%d dead letters are still not understood", open)
	}
	return err
}

func (d deadLetterRetry) print(s session, retried projection.RetriedLetter) error {
	line := retriedLine{
		Projection: retried.Projection, Place: retried.String(), Understood: retried.Reason == "", Rows: retried.Rows,
		State: retried.State, Reason: retried.Reason,
	}
	switch {
	case d.JSON:
		return json.NewEncoder(s.stdout).Encode(line)
	case line.Understood:
		return s.say("%s  %s  understood, %d rows", line.Projection, line.Place, line.Rows)
	default:
		return s.say("%s  %s  still %s: %s", line.Projection, line.Place, line.State, printable(line.Reason))
	}
}

type deadLetterWaive struct {
	Place      string `arg:"" name:"topic/partition/offset" help:"Where it is."`
	Reason     string `required:"" placeholder:"TEXT" help:"Why the projections may do without it. It is kept for ever: name no secret."`
	By         string `required:"" placeholder:"NAME" help:"Who answers for it."`
	Projection string `placeholder:"NAME" help:"Only that of a projection; otherwise that of all which have it open."`
}

// Run implements the command.
func (d deadLetterWaive) Run(s session) error {
	place, config, err := s.readPlace(d.Place)
	if err != nil {
		return err
	}
	waiver, err := config.WaiveDeadLetter(s.ctx, d.Projection, place, d.Reason, d.By)
	if err != nil {
		return err
	}
	return s.say("%s is waived for %s; it counts as such once the consumers have verified the event", place, strings.Join(waiver.Projections, ", "))
}

// readPlace reads a place and the configuration.
func (s session) readPlace(text string) (projection.Place, service.Config, error) {
	place, err := projection.ParsePlace(text)
	if err != nil {
		return place, service.Config{}, err
	}
	config, err := s.config(false)
	return place, config, err
}
