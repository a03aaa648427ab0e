package service

import (
	"context"
	"log/slog"
	"time"

	"helfy/adapters/tidb"
	"helfy/app/command"
	"helfy/domain"
)

// sweepEvery is how long after its expiry a session may wait for its event.
const sweepEvery = 2 * time.Second

// startSweeper ends expired sessions from now on until ctx ends or stop is
// called, which returns when a sweep under way is over.
func (c Config) startSweeper(ctx context.Context, users *tidb.Users, keyring *domain.Keyring, log *slog.Logger) (stop func()) {
	sweeper := command.SweepSessionsHandler{
		Sessions: users,
		Forgery:  command.ReportForgeryHandler{Sessions: users, Keyring: keyring, Now: time.Now},
		Keyring:  keyring, Now: time.Now, Idle: c.SessionIdle,
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			if err := sweeper.Handle(ctx); err != nil && ctx.Err() == nil {
				log.WarnContext(ctx, "cannot end all expired sessions", "error", err)
			}
			select {
			case <-time.After(sweepEvery):
			case <-ctx.Done():
				return
			}
		}
	}()
	return func() { cancel(); <-done }
}
