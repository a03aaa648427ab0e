package main

import (
	"runtime"
	"syscall"
	"time"

	"helfy/adapters/argon2id"
	"helfy/domain"
	"helfy/service"
)

// measureLogin compares the CPU time that a login costs the service with that
// of the bare password hash. Rounds of both take turns.
func measureLogin(r *run) {
	config := newConfig(r)
	server := start(r, config, "serve")
	addUsers(r, config)
	hash := bareHash(r, config)
	rounds, each := size(r, 10, 1), size(r, 32, 4)
	var logins, hashes time.Duration
	var took times
	login := func(i int) {
		began := time.Now()
		_, err := server.Login(r.Context(), userName(i), userName(i))
		r.must(err)
		took = append(took, time.Since(began))
	}
	for i := range userCount {
		login(i) // connections, plans and known networks are there
	}
	took = nil
	r.progress("%d rounds of %d logins and %d bare hashes", rounds, each, each)
	for range rounds {
		before := server.cpu(r)
		for i := range each {
			login(i)
		}
		logins += server.cpu(r) - before
		hashes += cpuOf(func() {
			for range each {
				hash()
			}
		})
	}
	count := time.Duration(rounds * each)
	bare := milliseconds(hashes / count)
	r.add(line{Case: "CPU of the service beyond the hash", Value: milliseconds(logins/count) - bare, Unit: "ms"}.
		beside("bare hash "+params(config).String(), bare).aim("ratio 0.1 or less"))
	r.add(line{Case: "answer, one at a time, p50", Value: took.percentile(50), Unit: "ms"}.beside("CPU of a bare hash", bare))
}

func params(config service.Config) argon2id.Params {
	return argon2id.Params{MemoryKiB: config.HashMemoryKiB, Time: config.HashTime, Threads: config.HashThreads}
}

// bareHash returns what verifies a password and nothing else.
func bareHash(r *run, config service.Config) func() {
	hasher, err := argon2id.New(params(config), 1)
	r.must(err)
	// As in the service, many hashes share one collection of their memory.
	ballast := make([]byte, config.HashConcurrency*int(config.HashMemoryKiB)<<10)
	r.Cleanup(func() { runtime.KeepAlive(&ballast[0]) })
	password := domain.NewSecret("a password that is verified")
	hash, err := hasher.Hash(r.Context(), password)
	r.must(err)
	return func() {
		_, err := hasher.Verify(r.Context(), hash, password)
		r.must(err)
	}
}

// cpuOf returns the CPU time of this process while work runs.
func cpuOf(work func()) time.Duration {
	used := func() time.Duration {
		var usage syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
			panic(err) // RUSAGE_SELF is always there
		}
		return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
	}
	before := used()
	work()
	return used() - before
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
