package main

import (
	"context"
	"sync"

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
