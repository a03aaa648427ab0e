package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"helfy/app/command"
	"helfy/app/query"
	"helfy/service"
)

// exitNotAsItMust is for a changefeed that does not run, or not as it must;
// exitFailed for what could not be found out or done.
const exitNotAsItMust = 1

type changefeedCommand struct {
	Ensure changefeedEnsure `cmd:"" help:"Create the changefeed if it is missing; one that differs is an error."`
	Status changefeedStatus `cmd:"" help:"Tell how the changefeed is doing; one that does not run as it must is an error."`
	Pause  changefeedPause  `cmd:"" help:"Stop the changefeed until it is resumed."`
	Resume changefeedResume `cmd:"" help:"Let the changefeed go on from where it stopped."`
	Remove changefeedRemove `cmd:"" help:"Make TiCDC forget the changefeed; ensure makes it anew, to go on from there."`
}

// changefeedInfo is a changefeed in JSON.
type changefeedInfo struct {
	ID     string                `json:"id"`
	Done   string                `json:"done,omitempty"`
	State  query.ChangefeedState `json:"state"`
	Lag    *float64              `json:"lagSeconds"`
	Differ []string              `json:"differences"`
	Fault  string                `json:"fault,omitempty"`
	// TSOs are text: they are more than JSON's numbers hold.
	StartTs      string     `json:"startTs,omitempty"`
	CheckpointTs string     `json:"checkpointTs,omitempty"`
	CheckpointAt *time.Time `json:"checkpointAt"`
	Lost         *query.Gap `json:"lost,omitempty"`
	Error        string     `json:"error,omitempty"`
}

func newChangefeedInfo(id string, seen query.Changefeed) changefeedInfo {
	info := changefeedInfo{ID: id, State: seen.State, Differ: append([]string{}, seen.Differences...), Fault: seen.Fault}
	if seen.StartTs != 0 {
		info.StartTs = strconv.FormatUint(seen.StartTs, 10)
	}
	if seen.CheckpointTs != 0 {
		at, lag := seen.CheckpointAt(), max(0, time.Since(seen.CheckpointAt()).Seconds())
		info.CheckpointTs, info.CheckpointAt, info.Lag = strconv.FormatUint(seen.CheckpointTs, 10), &at, &lag
	}
	return info
}

type changefeedStatus struct {
	JSON bool `name:"json" help:"Print it as JSON."`
}

// Help implements kong.HelpProvider.
func (changefeedStatus) Help() string {
	return "The exit code is 1 if it does not run as it must, 2 if that could not be found out. docs/operations.md says what each state means."
}

// Run implements the command.
func (c changefeedStatus) Run(s session) error {
	config, err := s.config(false)
	if err != nil {
		return exitError{err, exitFailed}
	}
	seen, err := config.ChangefeedStatus(s.ctx)
	if err != nil {
		return exitError{err, exitFailed}
	}
	info := newChangefeedInfo(config.ChangefeedID, seen)
	if c.JSON {
		if err := json.NewEncoder(s.stdout).Encode(info); err != nil {
			return fmt.Errorf("print changefeed: %w", err)
		}
	} else if err := s.sayChangefeed(info); err != nil {
		return err
	}
	switch seen.State {
	case query.ChangefeedNormal, query.ChangefeedWarning:
		return nil
	case query.ChangefeedUnknown:
		return exitError{errors.New("it is not known how the changefeed is doing: " + seen.Fault), exitFailed}
	}
	return exitError{fmt.Errorf("changefeed %s is not as it must be", config.ChangefeedID), exitNotAsItMust}
}

func (s session) sayChangefeed(info changefeedInfo) error {
	line := fmt.Sprintf("changefeed %s: state %s", info.ID, info.State)
	if info.CheckpointAt != nil {
		line += fmt.Sprintf(", checkpoint %s (%.1f s ago)", info.CheckpointAt.Format(time.RFC3339Nano), *info.Lag)
	}
	lines := append([]string{line}, info.Differ...)
	if info.Fault != "" && info.State != query.ChangefeedUnknown {
		lines = append(lines, info.Fault)
	}
	return s.say("%s", strings.Join(lines, "\n  "))
}

type changefeedEnsure struct {
	Replace bool `help:"Change one that differs, or that does not run, without losing anything."`
	FromNow bool `help:"Let one that has to be made begin now, and not where the last one ended: for a database that was put back from a backup. What was committed in between is a gap."`
	JSON    bool `name:"json" help:"Print the result as JSON."`
}

// Help implements kong.HelpProvider.
func (changefeedEnsure) Help() string {
	return "With --replace, the changefeed is paused, gets its definition and goes on from its checkpoint; if it cannot be " +
		"changed in place, another one takes its place, to begin at that checkpoint. Nothing is lost thereby; what is sent twice is " +
		"absorbed. Only what TiDB has given up in the meantime is a gap, and recorded. Killed half-way, the next call goes on. " +
		"The exit code is 1 if the changefeed is not as it must be, 2 for other failures."
}

// Run implements the command.
func (c changefeedEnsure) Run(s session) error {
	config, err := s.config(false)
	if err != nil {
		return exitError{err, exitFailed}
	}
	if err := s.await(config, service.PartTables, service.PartTopics, service.PartTiCDC); err != nil {
		return exitError{err, exitFailed}
	}
	tell := func(format string, args ...any) { s.tell(fmt.Sprintf(format, args...)) }
	ensured, err := config.MakeChangefeed(s.ctx, command.EnsureChangefeed{Replace: c.Replace, FromNow: c.FromNow, Tell: tell})
	info := newChangefeedInfo(config.ChangefeedID, ensured.Changefeed)
	info.Done, info.Lost = ensured.Done, ensured.Lost
	switch {
	case err == nil:
	case errors.Is(err, command.ErrChangefeedDiffers):
		err = exitError{fmt.Errorf("changefeed %s: %w", config.ChangefeedID, err), exitNotAsItMust}
	default:
		err = exitError{err, exitFailed}
	}
	if c.JSON {
		if err != nil {
			info.Error = err.Error()
		}
		return errors.Join(err, json.NewEncoder(s.stdout).Encode(info))
	}
	if err != nil {
		return err
	}
	return s.sayEnsured(info)
}

func (s session) sayEnsured(info changefeedInfo) error {
	if info.Lost != nil {
		if err := s.say("nothing was sent of what was committed from %s to %s: the log tells of this gap",
			info.Lost.From.Format(time.RFC3339Nano), info.Lost.To.Format(time.RFC3339Nano)); err != nil {
			return err
		}
	}
	if info.Done == "unchanged" {
		return s.say("changefeed %s is as it must be, state %s", info.ID, info.State)
	}
	return s.say("%s changefeed %s, state %s", info.Done, info.ID, info.State)
}

type changefeedPause struct{}

// Run implements the command.
func (changefeedPause) Run(s session) error {
	config, err := s.config(false)
	if err != nil {
		return err
	}
	if err := config.PauseChangefeed(s.ctx); err != nil {
		return exitError{err, exitFailed}
	}
	return s.say("paused changefeed %s", config.ChangefeedID)
}

type changefeedResume struct{}

// Run implements the command.
func (changefeedResume) Run(s session) error {
	config, err := s.config(false)
	if err != nil {
		return err
	}
	if err := config.ResumeChangefeed(s.ctx); err != nil {
		return exitError{err, exitFailed}
	}
	return s.say("resumed changefeed %s", config.ChangefeedID)
}

type changefeedRemove struct {
	ID string `arg:"" help:"The changefeed's id, to be sure that it is meant."`
}

// Run implements the command.
func (c changefeedRemove) Run(s session) error {
	config, err := s.config(false)
	if err != nil {
		return err
	}
	if c.ID != config.ChangefeedID {
		return exitError{fmt.Errorf("CHANGEFEED_ID is %q, not %q: nothing is removed", config.ChangefeedID, c.ID), exitFailed}
	}
	if err := config.RemoveChangefeed(s.ctx); err != nil {
		return exitError{err, exitFailed}
	}
	return s.say("removed changefeed %s", config.ChangefeedID)
}
