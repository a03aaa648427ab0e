// Package capture listens between TiDB and its storage engine and records
// what transactions write.
package capture

import (
	"context"
	"fmt"
	"math"
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
type Capture struct{ target atomic.Pointer[target] }

type target struct {
	store   *change.Store
	schemas Schemas
}

// Schemas returns the reference with which rows of a table can be decoded, by
// the table's physical ID; 0 for a table that is not captured.
type Schemas func(tableID int64) (uint64, error)

// Begin starts recording into store. It must come before anything writes to
// the tables that schemas knows.
func (c *Capture) Begin(store *change.Store, schemas Schemas) {
	c.target.Store(&target{store: store, schemas: schemas})
}

// Wrap returns the client that TiDB is to use instead of inner.
func (c *Capture) Wrap(inner tikv.Client) tikv.Client {
	return &client{Client: inner, capture: c}
}

type client struct {
	tikv.Client
	capture *Capture
}

// SendRequest passes the request on. The rows of a successful prewrite are
// recorded before TiDB hears of the success, hence before it can commit, and
// an attempt to commit before it is made.
func (c *client) SendRequest(ctx context.Context, addr string, req *tikvrpc.Request, timeout time.Duration) (*tikvrpc.Response, error) {
	to := c.capture.target.Load()
	if to == nil {
		return c.Client.SendRequest(ctx, addr, req, timeout)
	}
	switch req.Type {
	case tikvrpc.CmdPrewrite:
		plain(req.Prewrite())
	case tikvrpc.CmdCommit:
		commit := req.Commit()
		if err := to.store.Committing(commit.StartVersion, commit.CommitVersion, commit.Keys); err != nil {
			return nil, err
		}
	case tikvrpc.CmdFlush:
		// Bulk DML commits without a prewrite of its mutations.
		return &tikvrpc.Response{Resp: &kvrpcpb.FlushResponse{Errors: []*kvrpcpb.KeyError{{
			Abort: "the change feed of devstack cannot follow tidb_dml_type=bulk; use the default, standard",
		}}}}, nil
	}
	resp, err := c.Client.SendRequest(ctx, addr, req, timeout)
	if err != nil {
		return resp, err
	}
	switch answer := resp.Resp.(type) {
	case *kvrpcpb.PrewriteResponse:
		if len(answer.Errors) == 0 && answer.RegionError == nil {
			err = c.prewritten(ctx, to, addr, req.Prewrite())
		}
	case *kvrpcpb.CommitResponse:
		if commit := req.Commit(); answer.Error == nil && answer.RegionError == nil {
			to.store.Committed(commit.StartVersion, commit.CommitVersion, commit.Keys)
		}
	case *kvrpcpb.BatchRollbackResponse:
		if rollback := req.BatchRollback(); answer.Error == nil && answer.RegionError == nil {
			to.store.RolledBack(rollback.StartVersion, rollback.Keys)
		}
	}
	return resp, err
}

// plain turns one-phase and async commit off; TiDB falls back when the answer
// does not confirm them. A commit TSO is then always fetched after the
// prewrite, and the primary alone decides.
func plain(req *kvrpcpb.PrewriteRequest) {
	req.TryOnePc, req.UseAsyncCommit, req.Secondaries = false, false, nil
}

// prewritten records the rows and what they were before: as the transaction
// has locked them, that is what is committed now.
func (c *client) prewritten(ctx context.Context, to *target, addr string, req *kvrpcpb.PrewriteRequest) error {
	txn := &change.Txn{StartTs: req.StartVersion, Primary: req.PrimaryLock}
	var err error
	if txn.Mutations, err = to.rows(req); err != nil || len(txn.Mutations) == 0 {
		return err
	}
	before, err := c.before(ctx, addr, req, txn.Mutations)
	if err != nil {
		return fmt.Errorf("read what transaction %d overwrites: %w", txn.StartTs, err)
	}
	for i := range txn.Mutations {
		txn.Mutations[i].Old = before[string(txn.Mutations[i].Key)]
	}
	return to.store.Prewritten(txn)
}

// rewrites reports whether TiDB converts rows to a column's new type, which
// TiKV keeps from changefeeds.
func rewrites(req *kvrpcpb.PrewriteRequest) bool {
	const reorganizes = 8 // bit of the source; those below tell where changes came from
	return req.Context.GetTxnSource()>>reorganizes != 0
}

// rows leaves out locks, checks, indexes and tables that are not captured. A
// row that is rewritten counts for recovery only: it refers to no definition.
func (to *target) rows(req *kvrpcpb.PrewriteRequest) ([]change.Mutation, error) {
	var rows []change.Mutation
	for _, m := range req.Mutations {
		if !isWrite(m.Op) || !tablecodec.IsRecordKey(m.Key) {
			continue
		}
		schema, err := to.schemas(tablecodec.DecodeTableID(m.Key))
		if err != nil {
			return nil, err
		}
		if schema == 0 {
			continue
		}
		row := change.Mutation{Key: m.Key, Schema: schema}
		if rewrites(req) {
			row.Schema = 0
		}
		if m.Op != kvrpcpb.Op_Del {
			row.Value = m.Value
		}
		rows = append(rows, row)
	}
	return rows, nil
}

func isWrite(op kvrpcpb.Op) bool {
	return op == kvrpcpb.Op_Put || op == kvrpcpb.Op_Insert || op == kvrpcpb.Op_Del
}

// before reads the newest committed values, not minding the locks.
func (c *client) before(ctx context.Context, addr string, req *kvrpcpb.PrewriteRequest, rows []change.Mutation) (map[string][]byte, error) {
	const timeout = 10 * time.Second
	get := &kvrpcpb.BatchGetRequest{Version: math.MaxUint64}
	for _, r := range rows {
		get.Keys = append(get.Keys, r.Key)
	}
	request := tikvrpc.NewRequest(tikvrpc.CmdBatchGet, get, *req.Context)
	request.IsolationLevel = kvrpcpb.IsolationLevel_RC
	get.Context = &request.Context
	resp, err := c.Client.SendRequest(ctx, addr, request, timeout)
	if err != nil {
		return nil, err
	}
	answer := resp.Resp.(*kvrpcpb.BatchGetResponse)
	if answer.RegionError != nil || answer.Error != nil {
		return nil, fmt.Errorf("storage: %v %v", answer.RegionError, answer.Error)
	}
	values := make(map[string][]byte, len(answer.Pairs))
	for _, pair := range answer.Pairs {
		if pair.Error != nil {
			return nil, fmt.Errorf("storage: %v", pair.Error)
		}
		values[string(pair.Key)] = pair.Value
	}
	return values, nil
}
