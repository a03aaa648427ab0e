package service

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"helfy/adapters/tidb"
	"helfy/app/projection"
)

const (
	// manyRecords is what a consumer group reads in about half a minute.
	manyRecords = 20_000
	// heldPause is the time between two looks whether another process has
	// read what there was.
	heldPause = time.Second
)

// catchUp reads what the topics had before the consumers of notifications ever
// ran, many records at a time: only places are learned from it. Of several
// processes one does, the others wait. What it does not read the consumers do.
func (n *notifier) catchUp(ctx context.Context) error {
	for ctx.Err() == nil {
		_, behind, err := n.behind(ctx)
		if err != nil || behind < manyRecords {
			return err
		}
		held, release, err := tidb.Hold(ctx, n.db, n.config.lockOf(projection.NotificationsName))
		if errors.Is(err, tidb.ErrHeld) {
			select {
			case <-time.After(heldPause):
			case <-ctx.Done():
			}
			continue
		}
		if err != nil {
			return err
		}
		return errors.Join(n.learn(held), release())
	}
	return nil
}

// behind returns how many records were never read, 0 if a consumer group has
// begun to.
func (n *notifier) behind(ctx context.Context) (partitions []projection.Partition, records int64, err error) {
	topic, brokers := n.config.EventsTopic, n.config.Kafka()
	if partitions, err = brokers.Partitions(ctx, topic); err != nil {
		return nil, 0, err
	}
	committed, err := brokers.Committed(ctx, n.config.group(projection.NotificationsName)+"."+topic, partitions)
	if err != nil || slices.Max(append(committed, -1)) >= 0 {
		return nil, 0, err
	}
	checkpoints, err := n.store.Open(ctx, partitions)
	if err != nil {
		return nil, 0, err
	}
	for i, p := range partitions {
		records += p.End - checkpoints[i].NextOffset
	}
	return partitions, records, nil
}

// learn reads up to the ends that the topics have now. Another process may
// have done it before.
func (n *notifier) learn(ctx context.Context) error {
	partitions, behind, err := n.behind(ctx)
	if err != nil || behind < manyRecords {
		return err
	}
	n.log.InfoContext(ctx, "learning from what the topics have", "records", behind)
	store, err := n.store.CatchUp(ctx)
	if err != nil {
		return err
	}
	var read atomic.Int64
	build := projection.Build[projection.Notable]{
		Projection: projection.Notables{}, Store: store, Topics: n.config.Kafka(), Read: &read,
	}
	if err := build.Run(ctx, partitions, false); err != nil {
		return fmt.Errorf("after %d records: %w", read.Load(), err)
	}
	n.log.InfoContext(ctx, "learned from what the topics have", "records", read.Load())
	return nil
}
