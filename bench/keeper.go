package main

import (
	"context"
	"runtime"
	"sync"
	"time"

	"helfy/app/projection"
	"helfy/domain"
)

// keptRows bounds how many rows a keeper keeps.
const keptRows = 200_000

// keeper implements projection.BuildStore in memory: it keeps the first batches
// and drops the rest.
type keeper struct {
	partitions []projection.Partition
	mu         sync.Mutex
	batches    map[projection.Partition][]projection.Batch[domain.AuditEntry]
	rows       int
}

// Open implements projection.BuildStore.
func (k *keeper) Open(_ context.Context, partitions []projection.Partition) ([]projection.Checkpoint, error) {
	k.partitions, k.batches = partitions, map[projection.Partition][]projection.Batch[domain.AuditEntry]{}
	checkpoints := make([]projection.Checkpoint, len(partitions))
	for i, p := range partitions {
		checkpoints[i] = projection.Checkpoint{TopicID: p.TopicID, FirstOffset: p.Earliest, NextOffset: p.Earliest}
	}
	return checkpoints, nil
}

// Write implements projection.BuildStore.
func (k *keeper) Write(_ context.Context, batch projection.Batch[domain.AuditEntry]) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.rows >= keptRows {
		return nil
	}
	for i := range batch.Items {
		batch.Items[i].Record.Value = nil // only dead letters need it
	}
	of := projection.Partition{Topic: batch.Topic, Partition: batch.Partition}
	k.batches[of] = append(k.batches[of], batch)
	k.rows += len(batch.Items)
	return nil
}

// watchHeap samples the heap until the function that it returns is called,
// which tells its greatest size in MB.
func watchHeap() (peak func() float64) {
	runtime.GC()
	stop, greatest := make(chan struct{}), make(chan uint64)
	go func() {
		var most uint64
		for {
			var stats runtime.MemStats
			runtime.ReadMemStats(&stats)
			most = max(most, stats.HeapInuse)
			select {
			case <-time.After(20 * time.Millisecond):
			case <-stop:
				greatest <- most
				return
			}
		}
	}()
	return func() float64 {
		close(stop)
		return float64(<-greatest) / (1 << 20)
	}
}
