package cli

import (
	"context"
	"log/slog"

	"helfy/service"
)

type (
	runCommand     struct{}
	serveCommand   struct{}
	consumeCommand struct{}
)

// Run implements the command.
func (runCommand) Run(s session) error {
	return s.withLog(func(config service.Config, log *slog.Logger) error {
		return config.Run(s.ctx, log, s.announce(log))
	})
}

// Run implements the command.
func (serveCommand) Run(s session) error {
	return s.withLog(func(config service.Config, log *slog.Logger) error {
		return config.Serve(s.ctx, log, s.announce(log))
	})
}

// Run implements the command.
func (consumeCommand) Run(s session) error {
	return s.withLog(func(config service.Config, log *slog.Logger) error {
		return config.Consume(s.ctx, log)
	})
}

// withLog runs a command that logs to standard output and needs the key file.
func (s session) withLog(run func(service.Config, *slog.Logger) error) error {
	config, err := s.config(true)
	if err != nil {
		return err
	}
	log, err := config.NewLogger(s.stdout)
	if err != nil {
		return err
	}
	return run(config, log)
}

func (s session) announce(log *slog.Logger) func(address string) {
	return func(address string) {
		log.InfoContext(context.WithoutCancel(s.ctx), "listening", "address", address)
	}
}
