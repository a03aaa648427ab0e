package cli

import (
	"context"

	"helfy/service"
)

type runCommand struct{}

// Run implements the command.
func (runCommand) Run(s session) error {
	config, err := service.ReadConfig()
	if err != nil {
		return err
	}
	log, err := config.NewLogger(s.stdout)
	if err != nil {
		return err
	}
	return config.Run(s.ctx, log, func(address string) {
		log.InfoContext(context.WithoutCancel(s.ctx), "listening", "address", address)
	})
}
