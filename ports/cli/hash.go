package cli

import (
	"encoding/json"
	"fmt"
	"time"

	"helfy/service"
)

type hashCommands struct {
	Calibrate hashCalibrate `cmd:"" help:"Measure which parameters make a password hash take a given time on this machine."`
}

type hashCalibrate struct {
	Target    time.Duration `default:"100ms" help:"Time that one hash should take."`
	MaxMemory uint32        `default:"64" help:"Greatest memory of one hash, in MiB, from 19 to 1024."`
	JSON      bool          `name:"json" help:"Print a JSON object instead of variables."`
}

// Validate implements kong's check of the command line.
func (h hashCalibrate) Validate() error {
	if h.Target <= 0 || h.Target > time.Minute {
		return fmt.Errorf("--target: want more than 0 and at most 1m, got %s", h.Target)
	}
	if h.MaxMemory < 19 || h.MaxMemory > 1024 {
		return fmt.Errorf("--max-memory: want 19 to 1024 MiB, got %d", h.MaxMemory)
	}
	return nil
}

// Run implements the command.
func (h hashCalibrate) Run(s session) error {
	found, err := service.CalibrateHash(s.ctx, h.Target, h.MaxMemory<<10, func(m service.HashMeasurement) {
		// Progress; whoever closed stderr does not want it.
		_, _ = fmt.Fprintf(s.stderr, "%s takes %s\n", m.Params, m.Took.Round(time.Microsecond))
	})
	if err != nil {
		return fmt.Errorf("calibrate: %w", err)
	}
	if found.Least() && found.Took > h.Target {
		_, _ = fmt.Fprintf(s.stderr, "%s is less than this machine needs for the least parameters that OWASP recommends\n", h.Target)
	}
	if h.JSON {
		return json.NewEncoder(s.stdout).Encode(map[string]any{
			"LOGIN_HASH_MEMORY_KIB": found.Params.MemoryKiB, "LOGIN_HASH_TIME": found.Params.Time,
			"LOGIN_HASH_THREADS": found.Params.Threads, "tookSeconds": found.Took.Seconds(),
		})
	}
	return s.say("LOGIN_HASH_MEMORY_KIB=%d\nLOGIN_HASH_TIME=%d\nLOGIN_HASH_THREADS=%d",
		found.Params.MemoryKiB, found.Params.Time, found.Params.Threads)
}
