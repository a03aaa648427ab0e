// Package kafka runs a single Kafka broker in this process that keeps its data
// in a folder.
package kafka

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kversion"
)

// Config says where the broker keeps its data and where it listens, always on
// the loopback interface.
type Config struct {
	// DataDir holds topics, records and group offsets. It is created when
	// missing; no other process may use it at the same time.
	DataDir string
	// Port serves the Kafka protocol.
	Port int
}

// Run serves until ctx ends, then saves its state. It speaks what Apache Kafka
// 3.9 does. A topic must be created before it is used. Limits are Apache Kafka's
// defaults: record batches up to 1 MiB and 12 bytes (message.max.bytes), offsets
// of an empty group kept for seven days.
//
// Acknowledged records, topics with their ids and configurations, and
// committed offsets survive the death of the process, but not of the machine:
// writes reach the operating system, they are not synced one by one.
func Run(ctx context.Context, cfg Config) error {
	logger := &logger{log: log.New(os.Stderr, "", log.LstdFlags|log.Lmicroseconds|log.LUTC)}
	cluster, err := kfake.NewCluster(
		kfake.Ports(cfg.Port),
		kfake.DataDir(filepath.Clean(cfg.DataDir)),
		kfake.DefaultNumPartitions(1),
		// kfake panics at a produce request of newer versions, which name topics
		// by id, that is for several topics which are gone.
		kfake.MaxVersions(kversion.V3_9_0()),
		kfake.WithLogger(logger),
	)
	if err != nil {
		return fmt.Errorf("start the broker on port %d with its data in %s: %w", cfg.Port, cfg.DataDir, err)
	}
	logger.log.Printf("serving on %v, data in %s", cluster.ListenAddrs(), cfg.DataDir)
	reaper := &reaper{members: map[string]*member{}}
	reaper.watch(cluster)
	reaped := make(chan struct{})
	go func() {
		defer close(reaped)
		reaper.run(ctx, cluster.ListenAddrs()[0], func(err error) { logger.log.Print(err) })
	}()
	<-ctx.Done()
	<-reaped
	cluster.Close()
	if logger.failed.Load() {
		return errors.New("the broker had errors, see above")
	}
	return nil
}

// logger writes what is out of the ordinary, and remembers errors: saving the
// state at the end has no other way to tell.
type logger struct {
	log    *log.Logger
	failed atomic.Bool
}

// Logf implements kfake.Logger.
func (l *logger) Logf(level kfake.LogLevel, format string, args ...any) {
	if level > kfake.LogLevelWarn {
		return
	}
	if level == kfake.LogLevelError {
		l.failed.Store(true)
	}
	l.log.Printf(level.String()+" "+format, args...)
}
