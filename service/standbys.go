package service

import (
	"context"
	"log/slog"
	"time"

	"helfy/app/projection"
)

const (
	// deriveEvery is how often what is derived of standbys is brought up to
	// date, so that a rollback finds it done.
	deriveEvery = 5 * time.Second
	// deriveTimeout bounds one such turn; the next one goes on.
	deriveTimeout = time.Minute
)

// keepStandbys derives what is derived of the standbys' rows until ctx ends.
func keepStandbys(ctx context.Context, all []registered, log *slog.Logger) {
	ticker := time.NewTicker(deriveEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
		for _, one := range all {
			if err := deriveStandbys(ctx, one); err != nil && ctx.Err() == nil {
				log.WarnContext(ctx, "cannot keep a standby up to date, trying again", "projection", one.name(), "error", err)
			}
		}
	}
}

func deriveStandbys(ctx context.Context, one registered) error {
	ctx, cancel := context.WithTimeout(ctx, deriveTimeout)
	defer cancel()
	list, err := one.generations().List(ctx)
	if err != nil {
		return err
	}
	for _, generation := range list {
		if generation.State != projection.Standby {
			continue
		}
		if err := one.derive(ctx, generation.Number); err != nil {
			return err
		}
	}
	return nil
}
