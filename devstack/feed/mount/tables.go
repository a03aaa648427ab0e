package mount

import (
	"context"
	"fmt"

	"github.com/pingcap/tidb/pkg/infoschema"
	"github.com/pingcap/tidb/pkg/util"

	"helfy/devstack/feed/row"
)

// Tables lists the tables of a schema, without TiDB's own, views and sequences.
func Tables(ctx context.Context, schema infoschema.InfoSchema) ([]*row.Table, error) {
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
