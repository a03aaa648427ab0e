package mount

import (
	"context"
	"fmt"

	"github.com/pingcap/tidb/pkg/domain"
	"github.com/pingcap/tidb/pkg/util"

	"helfy/devstack/feed/row"
)

// Tables lists the tables that exist at ts, without TiDB's own, views and
// sequences.
func Tables(ctx context.Context, dom *domain.Domain, ts uint64) ([]*row.Table, error) {
	schema, err := dom.GetSnapshotInfoSchema(ts)
	if err != nil {
		return nil, fmt.Errorf("load the schema at %d: %w", ts, err)
	}
	var list []*row.Table
	for _, db := range schema.AllSchemas() {
		if util.IsMemOrSysDB(db.Name.L) {
			continue
		}
		infos, err := schema.SchemaTableInfos(ctx, db.Name)
		if err != nil {
			return nil, fmt.Errorf("list the tables of %s: %w", db.Name.O, err)
		}
		for _, info := range infos {
			if info.IsBaseTable() {
				list = append(list, newTable(db.Name.O, info))
			}
		}
	}
	return list, nil
}

// IsSystem reports whether a physical ID is that of one of TiDB's own tables.
func IsSystem(dom *domain.Domain) func(tableID int64) bool {
	return func(tableID int64) bool {
		schema := dom.InfoSchema()
		t, ok := schema.TableByID(context.Background(), tableID)
		if !ok {
			return false
		}
		db, ok := schema.SchemaByID(t.Meta().DBID)
		return ok && util.IsMemOrSysDB(db.Name.L)
	}
}
