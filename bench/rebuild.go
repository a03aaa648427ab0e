package main

import (
	"bytes"
	"fmt"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"helfy/adapters/tidb"
	"helfy/app/projection"
	"helfy/domain"
	"helfy/internal/stack"
	"helfy/service"
)

// measureRebuild builds a generation of the audit log from histories of
// different sizes, beside reading and decoding alone, and beside inserting the
// same rows from memory into the same tables. All three work in the batches and
// with the parallelism of a rebuild.
func measureRebuild(r *run) {
	for messages := r.largest; ; messages /= 10 {
		name := fmt.Sprintf("%d messages", messages)
		config := filledConfig(r, stack.History{Commits: messages / 2})
		measureBuild(r, config, name, messages)
		if messages <= 10_000 {
			break
		}
		measureCommand(r, config, name)
	}
}

// measureIdle is measureRebuild with a day between, in which nothing happened
// but watermarks.
func measureIdle(r *run) {
	config := filledConfig(r, stack.History{Commits: r.largest / 2, Idle: size(r, 24*time.Hour, time.Minute)})
	measureBuild(r, config, fmt.Sprintf("%d messages and a day of idle watermarks", r.largest), r.largest)
}

// filledConfig is newConfig with a history in place of what the change feed
// would write.
func filledConfig(r *run, history stack.History) service.Config {
	config := newConfig(r)
	r.must(config.PauseChangefeed(r.Context()))
	r.progress("writing %d messages, idle for %s", 2*history.Commits, history.Idle)
	history.Users = max(1, history.Commits/100)
	stack.Fill(r, config, history)
	return config
}

func measureBuild(r *run, config service.Config, name string, messages int) {
	rows := float64(messages)
	store := &keeper{}
	reading := build(r, config, store).Seconds() / rows
	inserting := insert(r, store).Seconds() / float64(store.rows)
	*store = keeper{}
	r.progress("building a generation of %s", name)
	peak := stack.WatchHeap()
	building := build(r, config, newGeneration(r)).Seconds() / rows
	heap := peak()
	r.add(line{Case: name + ": rows", Value: 1 / building, Unit: "/s"}.
		beside("1/(1/r + 1/i)", 1/(reading+inserting)).aim("ratio 0.8 or more"))
	r.add(line{Case: name + ": r, reading and decoding only", Value: 1 / reading, Unit: "/s"})
	r.add(line{Case: name + ": i, inserting from memory", Value: 1 / inserting, Unit: "/s"})
	r.add(line{Case: name + ": greatest heap", Value: heap, Unit: "MB"})
}

// measureCommand lets helfy rebuild the log and make the result live.
func measureCommand(r *run, config service.Config, name string) {
	command := stack.Command(r.Context(), config, "rebuild", projection.AuditName, "--accept-diff")
	var said bytes.Buffer
	command.Stdout, command.Stderr = &said, &said
	began := time.Now()
	r.must(command.Start())
	peak := stack.Watch(func() float64 { return resident(command.Process.Pid) })
	if err := command.Wait(); err != nil {
		r.Fatalf("helfy rebuild: %v: %s", err, said.String())
	}
	r.add(line{Case: name + ": helfy rebuild with verification and comparison", Value: time.Since(began).Seconds(), Unit: "s"})
	r.add(line{Case: name + ": greatest resident size of it", Value: peak(), Unit: "MB"})
}

// build reads the topics into a store and returns how long that took.
func build(r *run, config service.Config, store projection.BuildStore[domain.AuditEntry]) time.Duration {
	partitions := partitionsOf(r, config)
	build := projection.Build[domain.AuditEntry]{
		Projection: projection.Audit{Database: config.TiDBDatabase}, Store: store,
		Topics: config.Kafka(), Read: &atomic.Int64{},
	}
	began := time.Now()
	r.must(build.Run(r.Context(), partitions, false))
	return time.Since(began)
}

func partitionsOf(r *run, config service.Config) (all []projection.Partition) {
	for _, topic := range []string{config.ChangesTopic, config.EventsTopic} {
		partitions, err := config.Kafka().Partitions(r.Context(), topic)
		r.must(err)
		all = append(all, partitions...)
	}
	return all
}

// newGeneration returns the store of a generation in a database of its own.
func newGeneration(r *run) *tidb.BuildStore[domain.AuditEntry] {
	config := newConfig(r)
	db, err := tidb.Open(tidb.Config{
		Host: config.TiDBHost, Port: config.TiDBPort, User: config.TiDBUser, Password: config.TiDBPassword,
		Database: config.TiDBDatabase, MaxConns: 2 * config.KafkaPartitions, Timeout: 30 * time.Second, Bulk: true,
	})
	r.must(err)
	r.Cleanup(func() {
		if err := db.Close(); err != nil {
			r.Error(err)
		}
	})
	store := tidb.NewAuditStore(db)
	begun, _, err := store.Generations().Begin(r.Context())
	r.must(err)
	return store.Generation(begun.Number)
}

// insert writes what was kept, partitions side by side, and returns how long
// that took.
func insert(r *run, kept *keeper) time.Duration {
	store := newGeneration(r)
	_, err := store.Open(r.Context(), kept.partitions)
	r.must(err)
	group, ctx := errgroup.WithContext(r.Context())
	began := time.Now()
	for _, batches := range kept.batches {
		group.Go(func() error {
			for _, batch := range batches {
				if err := store.Write(ctx, batch); err != nil {
					return err
				}
			}
			return nil
		})
	}
	r.must(group.Wait())
	return time.Since(began)
}
