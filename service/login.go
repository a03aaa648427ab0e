package service

import (
	"context"
	"log/slog"
	"time"

	"helfy/adapters/argon2id"
	"helfy/adapters/ratelimit"
	"helfy/adapters/tidb"
	"helfy/app/command"
	"helfy/domain"
)

// HashMeasurement is what a password hash of some parameters cost.
type HashMeasurement = argon2id.Measurement

// CalibrateHash is argon2id.Calibrate.
func CalibrateHash(ctx context.Context, target time.Duration, maxMemoryKiB uint32, report func(HashMeasurement)) (HashMeasurement, error) {
	return argon2id.Calibrate(ctx, target, maxMemoryKiB, report)
}

func (c Config) hashParams() argon2id.Params {
	return argon2id.Params{MemoryKiB: c.HashMemoryKiB, Time: c.HashTime, Threads: c.HashThreads}
}

func (c Config) newHasher() (*argon2id.Hasher, error) {
	return argon2id.New(c.hashParams(), c.HashConcurrency)
}

func (c Config) lockPolicy() domain.LockPolicy {
	return domain.LockPolicy{MaxFailures: c.MaxFailures, Window: c.FailureWindow, LockTime: c.LockTime, MaxLockTime: c.LockMax}
}

func (c Config) login(users *tidb.Users, hasher command.Hasher, keyring *domain.Keyring, log *slog.Logger) command.LoginHandler {
	return command.LoginHandler{
		Logins: users, Hasher: hasher, Keyring: keyring, Log: log, Now: time.Now, SessionTTL: c.SessionTTL,
		Policy: c.lockPolicy(), FloodThreshold: c.FloodThreshold,
		PerIP: ratelimit.New(c.RatePerIP, time.Now), PerName: ratelimit.New(c.RatePerName, time.Now),
		InFlight: make(chan struct{}, max(1, c.TiDBMaxConns*3/4)),
	}
}
