// Package capture listens between TiDB and its storage engine and records
// what transactions write.
package capture

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/pingcap/kvproto/pkg/kvrpcpb"
	"github.com/pingcap/tidb/pkg/tablecodec"
	"github.com/tikv/client-go/v2/tikv"
	"github.com/tikv/client-go/v2/tikvrpc"

	"helfy/devstack/feed/change"
)

// Capture records the row changes that pass through the clients it wraps. It
// is safe for concurrent use.
type Capture struct {
	store   *change.Store
	ignored atomic.Pointer[func(tableID int64) bool]
}

// New records into store.
func New(store *change.Store) *Capture { return &Capture{store: store} }

// Ignore leaves out the tables for which ignored returns true. Until it is
// called every table is recorded.
func (c *Capture) Ignore(ignored func(tableID int64) bool) { c.ignored.Store(&ignored) }

// Wrap returns the client that TiDB is to use instead of inner.
func (c *Capture) Wrap(inner tikv.Client) tikv.Client {
	return &client{Client: inner, capture: c}
}

type client struct {
	tikv.Client
	capture *Capture
}

// SendRequest passes the request on. A prewrite is durable in the intent log
// first; a commit or rollback is noted after it has succeeded.
func (c *client) SendRequest(ctx context.Context, addr string, req *tikvrpc.Request, timeout time.Duration) (*tikvrpc.Response, error) {
	switch req.Type {
	case tikvrpc.CmdPrewrite:
		if err := c.capture.prewrite(req.Prewrite()); err != nil {
			return nil, err
		}
	case tikvrpc.CmdFlush:
		// Bulk DML commits without a prewrite of its mutations.
		return &tikvrpc.Response{Resp: &kvrpcpb.FlushResponse{Errors: []*kvrpcpb.KeyError{{
			Abort: "the change feed of devstack cannot follow tidb_dml_type=bulk; use the default, standard",
		}}}}, nil
	}
	resp, err := c.Client.SendRequest(ctx, addr, req, timeout)
	if err == nil {
		c.capture.observe(req, resp)
	}
	return resp, err
}

// prewrite records the rows. Without one-phase and async commit, which the
// client falls back from when the answer does not confirm them, a commit TSO
// is always fetched after the prewrite and the primary alone decides.
func (c *Capture) prewrite(req *kvrpcpb.PrewriteRequest) error {
	req.TryOnePc, req.UseAsyncCommit, req.Secondaries = false, false, nil
	txn := &change.Txn{StartTs: req.StartVersion, Primary: req.PrimaryLock}
	for _, m := range req.Mutations {
		if c.isRow(m) {
			txn.Mutations = append(txn.Mutations, change.Mutation{
				Key: m.Key, Value: m.Value, Delete: m.Op == kvrpcpb.Op_Del,
			})
		}
	}
	if len(txn.Mutations) == 0 {
		return nil
	}
	return c.store.Prewrite(txn)
}

// isRow leaves out locks, checks, indexes and metadata.
func (c *Capture) isRow(m *kvrpcpb.Mutation) bool {
	switch m.Op {
	case kvrpcpb.Op_Put, kvrpcpb.Op_Insert, kvrpcpb.Op_Del:
	default:
		return false
	}
	if !tablecodec.IsRecordKey(m.Key) {
		return false
	}
	ignored := c.ignored.Load()
	return ignored == nil || !(*ignored)(tablecodec.DecodeTableID(m.Key))
}

func (c *Capture) observe(req *tikvrpc.Request, resp *tikvrpc.Response) {
	switch answer := resp.Resp.(type) {
	case *kvrpcpb.CommitResponse:
		if commit := req.Commit(); answer.Error == nil && answer.RegionError == nil {
			c.store.Committed(commit.StartVersion, commit.CommitVersion, commit.Keys)
		}
	case *kvrpcpb.BatchRollbackResponse:
		if rollback := req.BatchRollback(); answer.Error == nil && answer.RegionError == nil {
			c.store.RolledBack(rollback.StartVersion, rollback.Keys)
		}
	}
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
