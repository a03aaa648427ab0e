package capture

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/pingcap/kvproto/pkg/kvrpcpb"
	"github.com/tikv/client-go/v2/tikv"
	"github.com/tikv/client-go/v2/tikvrpc"

	"helfy/devstack/feed/change"
)

// A transaction is looked up in the store when its outcome has not been seen
// for a while. One of which there is no trace after orphaned, because its
// primary was never prewritten, is barred from ever committing.
const (
	overdue  = 500 * time.Millisecond
	orphaned = 20 * time.Second
)

// Settle looks up the transactions whose outcome is overdue, so that none that
// was resolved by others, or was given up by its client, holds back the rest.
// now is the current TSO; locks that have expired by then are rolled back,
// as any reader would do.
func Settle(ctx context.Context, store *change.Store, s Storage, now uint64) error {
	for _, txn := range store.Undecided(overdue) {
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
			store.Committed(txn.StartTs, answer.CommitVersion, primary)
		default:
			store.RolledBack(txn.StartTs, primary)
		}
	}
	return nil
}

// Storage is the part of TiDB's storage that the fates are read from.
type Storage interface {
	GetRegionCache() *tikv.RegionCache
	SendReq(bo *tikv.Backoffer, req *tikvrpc.Request, regionID tikv.RegionVerID, timeout time.Duration) (*tikvrpc.Response, error)
}

// status asks the storage engine what became of a key's transaction.
func status(ctx context.Context, s Storage, check *kvrpcpb.CheckTxnStatusRequest) (*kvrpcpb.CheckTxnStatusResponse, error) {
	const limitMillis = 10_000
	bo := tikv.NewBackofferWithVars(ctx, limitMillis, nil)
	for {
		loc, err := s.GetRegionCache().LocateKey(bo, check.PrimaryKey)
		if err != nil {
			return nil, fmt.Errorf("locate key: %w", err)
		}
		req := tikvrpc.NewRequest(tikvrpc.CmdCheckTxnStatus, check)
		resp, err := s.SendReq(bo, req, loc.Region, limitMillis*time.Millisecond)
		if err != nil {
			return nil, fmt.Errorf("check transaction: %w", err)
		}
		answer := resp.Resp.(*kvrpcpb.CheckTxnStatusResponse)
		if answer.RegionError == nil {
			return answer, nil
		}
		if err := bo.Backoff(tikv.BoRegionMiss(), fmt.Errorf("%v", answer.RegionError)); err != nil {
			return nil, fmt.Errorf("check transaction: %w", err)
		}
	}
}
