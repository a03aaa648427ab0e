package cli

import (
	"strings"

	"helfy/service"
)

type migrateCommands struct {
	Up migrateUp `cmd:"" help:"Create the database if it is missing and run the migrations that are due."`
}

type migrateUp struct{}

// Run implements the command.
func (migrateUp) Run(s session) error {
	config, err := service.ReadConfig(false)
	if err != nil {
		return err
	}
	applied, err := config.Migrate(s.ctx)
	if err != nil {
		return err
	}
	if len(applied) == 0 {
		return s.say("database %s is up to date", config.TiDBDatabase)
	}
	return s.say("database %s: ran %s", config.TiDBDatabase, strings.Join(applied, ", "))
}

type topicsCommands struct {
	Ensure topicsEnsure `cmd:"" help:"Create the topics that are missing; a topic that differs is an error."`
}

type topicsEnsure struct{}

// Run implements the command.
func (topicsEnsure) Run(s session) error {
	config, err := service.ReadConfig(false)
	if err != nil {
		return err
	}
	created, err := config.EnsureTopics(s.ctx)
	if err != nil {
		return err
	}
	if len(created) == 0 {
		return s.say("topics %s and %s are as they must be", config.ChangesTopic, config.EventsTopic)
	}
	return s.say("created topics %s", strings.Join(created, ", "))
}

type changefeedCommand struct {
	Ensure changefeedEnsure `cmd:"" help:"Create the changefeed if it is missing; one that differs is an error."`
}

type changefeedEnsure struct{}

// Run implements the command.
func (changefeedEnsure) Run(s session) error {
	config, err := service.ReadConfig(false)
	if err != nil {
		return err
	}
	created, state, err := config.EnsureChangefeed(s.ctx)
	if err != nil {
		return err
	}
	if created {
		return s.say("created changefeed %s, state %s", config.ChangefeedID, state)
	}
	return s.say("changefeed %s is as it must be, state %s", config.ChangefeedID, state)
}

type keyCommands struct {
	Create keyCreate `cmd:"" help:"Make a key for HELFY_KEY_FILE."`
}

type keyCreate struct {
	File string `arg:"" help:"File to create; it must not exist."`
}

// Run implements the command.
func (k keyCreate) Run(s session) error {
	if err := service.CreateKey(k.File); err != nil {
		return err
	}
	return s.say("created key file %s", k.File)
}
