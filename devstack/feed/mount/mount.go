// Package mount turns keys and values of TiDB's storage into changed rows.
package mount

import (
	"fmt"

	"github.com/pingcap/tidb/pkg/expression/exprstatic"
	"github.com/pingcap/tidb/pkg/infoschema"
	"github.com/pingcap/tidb/pkg/kv"
	"github.com/pingcap/tidb/pkg/table/tables"
	"github.com/pingcap/tidb/pkg/tablecodec"

	"helfy/devstack/feed/change"
	"helfy/devstack/feed/row"
)

// Mounter decodes transactions. TIMESTAMP columns come out in UTC. It is not
// safe for concurrent use.
type Mounter struct {
	schemas *Schemas
	current func() infoschema.InfoSchema
	context *exprstatic.ExprContext // UTC, by default
}

// New decodes with the definitions that schemas has remembered. Current returns
// the present schema.
func New(schemas *Schemas, current func() infoschema.InfoSchema) *Mounter {
	return &Mounter{schemas: schemas, current: current, context: exprstatic.NewExprContext()}
}

// Mount returns the rows that txn changed in the tables that filter accepts.
// A row that was inserted and deleted in txn does not occur.
func (m *Mounter) Mount(txn *change.Txn, filter func(*row.Table) bool) ([]*row.Event, error) {
	var events []*row.Event
	for _, mutation := range txn.Mutations {
		if mutation.Schema == 0 || isJob(mutation.Key) {
			continue
		}
		t, err := m.schemas.table(mutation.Schema)
		if err != nil {
			return nil, fmt.Errorf("transaction committed at %d: %w", txn.CommitTs, err)
		}
		if !filter(t.Table) || len(mutation.Old) == 0 && len(mutation.Value) == 0 {
			continue
		}
		e, err := m.event(t, mutation)
		if err != nil {
			return nil, fmt.Errorf("decode a row of %s.%s committed at %d: %w", t.Schema, t.Name, txn.CommitTs, err)
		}
		e.StartTs, e.CommitTs = txn.StartTs, txn.CommitTs
		events = append(events, e)
	}
	return events, nil
}

func (m *Mounter) event(t *fedTable, mutation change.Mutation) (*row.Event, error) {
	_, handle, err := tablecodec.DecodeRecordKey(mutation.Key)
	if err != nil {
		return nil, fmt.Errorf("key: %w", err)
	}
	e := &row.Event{Table: t.Table}
	if e.Old, err = m.decode(t, handle, mutation.Old); err != nil {
		return nil, fmt.Errorf("the row before: %w", err)
	}
	if e.New, err = m.decode(t, handle, mutation.Value); err != nil {
		return nil, err
	}
	return e, nil
}

// decode reads a row; columns that were added after it was written have their
// default.
func (m *Mounter) decode(t *fedTable, handle kv.Handle, value []byte) ([]row.Value, error) {
	if len(value) == 0 {
		return nil, nil
	}
	datums, _, err := tables.DecodeRawRowData(m.context, t.info, handle, t.columns, value)
	if err != nil {
		return nil, err
	}
	values := make([]row.Value, len(datums))
	for i, d := range datums {
		if values[i], err = newValue(d, t.columns[i].GetType()); err != nil {
			return nil, fmt.Errorf("column %s: %w", t.Columns[i].Name, err)
		}
	}
	return values, nil
}
