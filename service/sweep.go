package service

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"helfy/adapters/tidb"
	"helfy/app/command"
	"helfy/domain"
)

// sweepEvery is how often a process that serves HTTP looks for what time has
// ended.
const sweepEvery = 2 * time.Second

// startSweepers ends expired sessions and records floods of refused logins,
// from now on until ctx ends or stop is called, which returns when the sweeps
// under way are over.
func (c Config) startSweepers(ctx context.Context, users *tidb.Users, keyring *domain.Keyring, log *slog.Logger) (stop func()) {
	sessions := command.SweepSessionsHandler{
		Sessions: users,
		Forgery:  command.ReportForgeryHandler{Sessions: users, Keyring: keyring, Now: time.Now},
		Keyring:  keyring, Now: time.Now, Idle: c.SessionIdle,
	}
	floods := command.RecordFloodsHandler{Floods: users, Keyring: keyring, Now: time.Now}
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	running.Go(func() { sweep(ctx, log, "cannot end all expired sessions", sessions.Handle) })
	running.Go(func() { sweep(ctx, log, "cannot record all floods", floods.Handle) })
	return func() { cancel(); running.Wait() }
}

// sweep does something every few seconds until ctx ends, and logs a failure.
func sweep(ctx context.Context, log *slog.Logger, failure string, do func(context.Context) error) {
	for {
		if err := do(ctx); err != nil && ctx.Err() == nil {
			log.WarnContext(ctx, failure, "error", err)
		}
		select {
		case <-time.After(sweepEvery):
		case <-ctx.Done():
			return
		}
	}
}
