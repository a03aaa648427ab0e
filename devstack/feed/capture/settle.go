package capture

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/pingcap/kvproto/pkg/kvrpcpb"

	"helfy/devstack/feed/change"
)

// A transaction is looked up in the store when its outcome has not been seen
// for a while. One that left no trace after orphaned is barred from ever
// committing: its client is gone, or its prewrite failed.
const (
	overdue  = 500 * time.Millisecond
	orphaned = 20 * time.Second
)

// Fate tells what became of one key of a transaction of a previous run.
func Fate(ctx context.Context, s Storage) func(startTs uint64, key []byte) (change.Fate, uint64, error) {
	return func(startTs uint64, key []byte) (change.Fate, uint64, error) {
		answer, err := status(ctx, s, &kvrpcpb.CheckTxnStatusRequest{PrimaryKey: key, LockTs: startTs})
		switch {
		case err != nil:
			return change.Lost, 0, err
		case answer.CommitVersion > 0:
			return change.Committed, answer.CommitVersion, nil
		case answer.LockInfo != nil || answer.Error.GetTxnNotFound() == nil && answer.Error != nil:
			return change.Lost, 0, fmt.Errorf("unexpected answer of the store: %v", answer)
		}
		return change.Lost, 0, nil
	}
}

// Settle looks up the transactions whose outcome is overdue, so that none that
// was resolved by others, or was given up by its client, holds back the rest.
// now is the current TSO; locks that have expired by then are rolled back,
// as any reader would do.
func (c *Capture) Settle(ctx context.Context, s Storage, now uint64) error {
	for _, txn := range c.store.Undecided(overdue) {
		answer, err := status(ctx, s, &kvrpcpb.CheckTxnStatusRequest{
			PrimaryKey: txn.Primary, LockTs: txn.StartTs, CurrentTs: now,
			CallerStartTs: math.MaxUint64, RollbackIfNotExist: txn.Open > orphaned,
		})
		if err != nil {
			return fmt.Errorf("settle transaction %d: %w", txn.StartTs, err)
		}
		primary := [][]byte{txn.Primary}
		switch {
		case answer.Error.GetTxnNotFound() != nil, answer.LockTtl > 0:
		case answer.Error != nil:
			return fmt.Errorf("settle transaction %d: %v", txn.StartTs, answer.Error)
		case answer.CommitVersion > 0:
			c.store.Committed(txn.StartTs, answer.CommitVersion, primary)
		default:
			c.store.RolledBack(txn.StartTs, primary)
		}
	}
	return nil
}
