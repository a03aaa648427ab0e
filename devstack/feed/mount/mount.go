// Package mount turns keys and values of TiDB's storage into changed rows.
package mount

import (
	"context"
	"fmt"

	"github.com/pingcap/tidb/pkg/domain"
	"github.com/pingcap/tidb/pkg/expression/exprstatic"
	"github.com/pingcap/tidb/pkg/infoschema"
	"github.com/pingcap/tidb/pkg/kv"
	"github.com/pingcap/tidb/pkg/meta/model"
	"github.com/pingcap/tidb/pkg/table"
	"github.com/pingcap/tidb/pkg/table/tables"
	"github.com/pingcap/tidb/pkg/tablecodec"
	"github.com/pingcap/tidb/pkg/util"

	"helfy/devstack/feed/change"
	"helfy/devstack/feed/row"
)

// Mounter decodes transactions with the schema of their time. TIMESTAMP
// columns come out in UTC. It is not safe for concurrent use.
type Mounter struct {
	store   kv.Storage
	domain  *domain.Domain
	context *exprstatic.ExprContext
	schema  infoschema.InfoSchema
	version int64
	tables  map[int64]*mounted
}

// mounted is a table prepared for decoding; nil stands for one that is not
// fed: dropped by now, or TiDB's own.
type mounted struct {
	table *row.Table
	info  *model.TableInfo
	// columns are those of table, as TiDB decodes them.
	columns []*table.Column
}

// New reads from TiDB's storage and its history of schemas.
func New(store kv.Storage, dom *domain.Domain) *Mounter {
	return &Mounter{store: store, domain: dom, context: exprstatic.NewExprContext(), tables: map[int64]*mounted{}}
}

// Mount returns the rows that txn changed in the tables that filter accepts.
// A row that was inserted and deleted in txn does not occur.
func (m *Mounter) Mount(ctx context.Context, txn *change.Txn, filter func(*row.Table) bool) ([]*row.Event, error) {
	if err := m.use(txn.CommitTs - 1); err != nil {
		return nil, err
	}
	var mutations []change.Mutation
	for _, mutation := range txn.Mutations {
		if t := m.table(ctx, tablecodec.DecodeTableID(mutation.Key)); t != nil && filter(t.table) {
			mutations = append(mutations, mutation)
		}
	}
	if len(mutations) == 0 {
		return nil, nil
	}
	before, err := m.before(ctx, txn.CommitTs, mutations)
	if err != nil {
		return nil, err
	}
	return m.events(txn, mutations, before)
}

func (m *Mounter) events(txn *change.Txn, mutations []change.Mutation, before map[string][]byte) ([]*row.Event, error) {
	events := make([]*row.Event, 0, len(mutations))
	for _, mutation := range mutations {
		old, updated := before[string(mutation.Key)], mutation.Value
		if mutation.Delete {
			updated = nil
		}
		if len(old) == 0 && len(updated) == 0 {
			continue
		}
		tableID, handle, err := tablecodec.DecodeRecordKey(mutation.Key)
		if err != nil {
			return nil, fmt.Errorf("decode key: %w", err)
		}
		t := m.tables[tableID]
		event := &row.Event{Table: t.table, StartTs: txn.StartTs, CommitTs: txn.CommitTs}
		if event.Old, err = m.decode(t, handle, old); err != nil {
			return nil, err
		}
		if event.New, err = m.decode(t, handle, updated); err != nil {
			return nil, err
		}
		events = append(events, event)
	}
	return events, nil
}

// before reads the rows as they were before the commit. Reading without lock
// checks is right, and does not wait for later transactions: whoever wrote one
// of these keys earlier had to release it before txn could take it.
func (m *Mounter) before(ctx context.Context, commitTs uint64, mutations []change.Mutation) (map[string][]byte, error) {
	snapshot := m.store.GetSnapshot(kv.NewVersion(commitTs - 1))
	snapshot.SetOption(kv.IsolationLevel, kv.RC)
	keys := make([]kv.Key, len(mutations))
	for i, mutation := range mutations {
		keys[i] = mutation.Key
	}
	values, err := snapshot.BatchGet(ctx, keys)
	if err != nil {
		return nil, fmt.Errorf("read the rows before commit %d: %w", commitTs, err)
	}
	return values, nil
}

func (m *Mounter) decode(t *mounted, handle kv.Handle, value []byte) ([]row.Value, error) {
	if len(value) == 0 {
		return nil, nil
	}
	datums, _, err := tables.DecodeRawRowData(m.context, t.info, handle, t.columns, value)
	if err != nil {
		return nil, fmt.Errorf("decode a row of %s.%s: %w", t.table.Schema, t.table.Name, err)
	}
	values := make([]row.Value, len(datums))
	for i, d := range datums {
		if values[i], err = newValue(d, t.columns[i].GetType()); err != nil {
			return nil, fmt.Errorf("column %s.%s.%s: %w", t.table.Schema, t.table.Name, t.table.Columns[i].Name, err)
		}
	}
	return values, nil
}

// use switches to the schema at ts.
func (m *Mounter) use(ts uint64) error {
	schema, err := m.domain.GetSnapshotInfoSchema(ts)
	if err != nil {
		return fmt.Errorf("load the schema at %d: %w", ts, err)
	}
	if version := schema.SchemaMetaVersion(); m.schema == nil || version != m.version {
		m.version, m.tables = version, map[int64]*mounted{}
	}
	m.schema = schema
	return nil
}

// table finds a table or partition by its physical ID, nil when it is not fed.
func (m *Mounter) table(ctx context.Context, id int64) *mounted {
	t, ok := m.tables[id]
	if !ok {
		t = m.load(ctx, id)
		m.tables[id] = t
	}
	return t
}

func (m *Mounter) load(ctx context.Context, id int64) *mounted {
	var info *model.TableInfo
	if tbl, ok := m.schema.TableByID(ctx, id); ok {
		info = tbl.Meta()
	} else if tbl, _, _ := m.schema.FindTableByPartitionID(id); tbl != nil {
		info = tbl.Meta()
	} else {
		return nil
	}
	db, ok := m.schema.SchemaByID(info.DBID)
	if !ok || util.IsMemOrSysDB(db.Name.L) {
		return nil
	}
	t := &mounted{table: newTable(db.Name.O, info), info: info}
	for _, c := range info.Columns {
		if isFed(c) {
			t.columns = append(t.columns, table.ToColumn(c))
		}
	}
	return t
}
