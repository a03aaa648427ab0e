package cli

import (
	"strings"
	"time"

	"helfy/service"
)

type migrateCommands struct {
	Up     migrateUp     `cmd:"" help:"Create the database if it is missing and run the migrations that are due."`
	Down   migrateDown   `cmd:"" help:"Take the newest migration back, with the data in its tables."`
	Status migrateStatus `cmd:"" help:"List the migrations and when they ran."`
}

type migrateDown struct{}

// Run implements the command.
func (migrateDown) Run(s session) error {
	config, err := s.config(false)
	if err != nil {
		return err
	}
	if err := s.await(config, service.PartServer); err != nil {
		return err
	}
	file, err := config.MigrateDown(s.ctx)
	if err != nil {
		return err
	}
	if file == "" {
		return s.say("database %s: no migration is left", config.TiDBDatabase)
	}
	return s.say("database %s: took %s back", config.TiDBDatabase, file)
}

type migrateStatus struct{}

// Run implements the command.
func (migrateStatus) Run(s session) error {
	config, err := s.config(false)
	if err != nil {
		return err
	}
	if err := s.await(config, service.PartServer); err != nil {
		return err
	}
	migrations, err := config.Migrations(s.ctx)
	if err != nil {
		return err
	}
	for _, migration := range migrations {
		state := "due"
		if !migration.AppliedAt.IsZero() {
			state = "ran at " + migration.AppliedAt.Format(time.RFC3339)
		}
		if err := s.say("%s  %s", migration.File, state); err != nil {
			return err
		}
	}
	return nil
}

type migrateUp struct{}

// Run implements the command.
func (migrateUp) Run(s session) error {
	config, err := s.config(false)
	if err != nil {
		return err
	}
	if err := s.await(config, service.PartServer); err != nil {
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
	config, err := s.config(false)
	if err != nil {
		return err
	}
	if err := s.await(config, service.PartKafka); err != nil {
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
