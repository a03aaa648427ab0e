package storage

import (
	"context"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/pingcap/kvproto/pkg/coprocessor"
	"github.com/pingcap/kvproto/pkg/kvrpcpb"
	"github.com/pingcap/tidb/pkg/kv"
	"github.com/pingcap/tidb/pkg/store/mockstore/unistore/cophandler"
	"github.com/pingcap/tidb/pkg/store/mockstore/unistore/tikv/dbreader"
	"github.com/pingcap/tidb/pkg/store/mockstore/unistore/tikv/mvcc"
	"github.com/pingcap/tipb/go-tipb"
	"github.com/tikv/client-go/v2/tikv"
	"github.com/tikv/client-go/v2/tikvrpc"
)

// client reads downwards in unistore's stead, which sees everything that has
// been committed instead of what was at the TSO of the read: its reader makes
// the iterator first and tells it the TSO afterwards (DBReader.ReverseScan).
// An index read downwards then has entries whose rows a read of the same
// statement, upwards, does not find.
//
// All the rest is unistore's, what it does about locks too.
type client struct {
	tikv.Client
	data *mvcc.DBBundle

	// Close waits for the reads, which unistore does not know of.
	reading sync.RWMutex
	closed  bool
}

// SendRequest answers a read downwards, and passes on any other request.
func (c *client) SendRequest(ctx context.Context, addr string, req *tikvrpc.Request, timeout time.Duration) (*tikvrpc.Response, error) {
	// A read at the greatest TSO, or one that looks for conflicts, wants
	// everything that has been committed.
	const everything = math.MaxUint64
	if req.IsolationLevel != kvrpcpb.IsolationLevel_RCCheckTS {
		switch req.Type {
		case tikvrpc.CmdCop:
			if cop := req.Cop(); cop.StartTs != everything && isDownwards(cop) {
				tikvrpc.AttachContext(req, req.Context)
				return c.run(ctx, cop)
			}
		case tikvrpc.CmdScan:
			if scan := req.Scan(); scan.Version != everything && scan.Reverse && scan.SampleStep == 0 {
				return c.scan(ctx, addr, req, timeout)
			}
		}
	}
	return c.Client.SendRequest(ctx, addr, req, timeout)
}

// Close waits for the reads under way.
func (c *client) Close() error {
	c.reading.Lock()
	c.closed = true
	c.reading.Unlock()
	return c.Client.Close()
}

// isDownwards reports whether the request scans a table or an index from its
// end.
func isDownwards(req *coprocessor.Request) bool {
	dag := new(tipb.DAGRequest)
	if req.Tp != kv.ReqTypeDAG || dag.Unmarshal(req.Data) != nil {
		return false // unistore says what is wrong with it
	}
	return slices.ContainsFunc(dag.Executors, func(e *tipb.Executor) bool {
		return e.TblScan.GetDesc() || e.IdxScan.GetDesc()
	})
}

// run runs a coprocessor request. The tasks for other regions that may come
// with it are sent again by TiDB, as their answers are missing.
func (c *client) run(ctx context.Context, req *coprocessor.Request) (resp *tikvrpc.Response, err error) {
	err = c.read(ctx, req.StartTs, func(r *dbreader.DBReader) error {
		narrowed, err := narrow(r, req)
		if err == nil {
			resp = &tikvrpc.Response{Resp: cophandler.HandleCopRequest(r, c.data.LockStore, narrowed)}
		}
		return err
	})
	return resp, err
}

// narrow leaves of a read that has a limit right on an index what the limit
// lets it read, as TiKV does: unistore's reads the whole range first.
func narrow(r *dbreader.DBReader, req *coprocessor.Request) (*coprocessor.Request, error) {
	dag := new(tipb.DAGRequest)
	if err := dag.Unmarshal(req.Data); err != nil || len(dag.Executors) != 2 || req.PagingSize > 0 ||
		!dag.Executors[0].IdxScan.GetDesc() || dag.Executors[1].Tp != tipb.ExecType_TypeLimit {
		return req, nil //nolint:nilerr // unistore says what is wrong with it
	}
	limit := dag.Executors[1].Limit.GetLimit()
	if limit == 0 || limit > math.MaxInt32 {
		return req, nil
	}
	var found lowest
	for i, ran := range slices.Backward(req.Ranges) {
		if err := r.ReverseScan(ran.Start, ran.End, int(limit)-int(found.keys), req.StartTs, &found); err != nil {
			return nil, err
		}
		if uint64(found.keys) == limit {
			narrowed := *req
			narrowed.Ranges = slices.Clone(req.Ranges[i:])
			narrowed.Ranges[0] = &coprocessor.KeyRange{Start: found.key, End: ran.End}
			return &narrowed, nil
		}
	}
	return req, nil
}

// scan looks how far down the keys are, and lets unistore scan upwards from
// there. The request has its upper end in StartKey.
func (c *client) scan(ctx context.Context, addr string, req *tikvrpc.Request, timeout time.Duration) (*tikvrpc.Response, error) {
	down := req.Scan()
	var found lowest
	err := c.read(ctx, down.Version, func(r *dbreader.DBReader) error {
		return r.ReverseScan(down.EndKey, down.StartKey, int(down.Limit), down.Version, &found)
	})
	if err != nil {
		return nil, err
	}
	up := *down
	up.StartKey, up.EndKey, up.Reverse, up.Limit = down.EndKey, down.StartKey, false, math.MaxUint32
	if found.keys >= down.Limit {
		up.StartKey = found.key
	}
	request := *req
	request.Req = &up
	resp, err := c.Client.SendRequest(ctx, addr, &request, timeout)
	if err != nil {
		return nil, err
	}
	if answer, ok := resp.Resp.(*kvrpcpb.ScanResponse); ok {
		slices.Reverse(answer.Pairs)
		// Locks add to what was found.
		answer.Pairs = answer.Pairs[:min(len(answer.Pairs), int(down.Limit))]
	}
	return resp, nil
}

// read reads what was committed at ts.
func (c *client) read(ctx context.Context, ts uint64, with func(*dbreader.DBReader) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	c.reading.RLock()
	defer c.reading.RUnlock()
	if c.closed {
		return context.Canceled // as unistore does: nobody tries again
	}
	txn := c.data.DB.NewTransaction(false)
	// Before there is an iterator.
	txn.SetReadTS(ts)
	reader := dbreader.NewDBReader(nil, nil, txn)
	defer reader.Close()
	return with(reader)
}

// lowest counts the keys of a scan downwards and keeps the last one.
type lowest struct {
	key  []byte
	keys uint32
}

// Process implements dbreader.ScanProcessor.
func (l *lowest) Process(key, _ []byte) error {
	l.key = append(l.key[:0], key...)
	l.keys++
	return nil
}

// SkipValue implements dbreader.ScanProcessor.
func (l *lowest) SkipValue() bool { return true }
