package mount

import (
	"github.com/pingcap/tidb/pkg/meta/model"
	"github.com/pingcap/tidb/pkg/parser/mysql"
	"github.com/pingcap/tidb/pkg/parser/types"

	"helfy/devstack/feed/row"
)

// newTable describes a table as a changefeed sees it.
func newTable(schema string, info *model.TableInfo) *row.Table {
	t := &row.Table{Schema: schema, Name: info.Name.O, Indexes: map[string]row.Index{}}
	at := make(map[int]int, len(info.Columns)) // offset in the table to offset in t
	for _, c := range info.Columns {
		if isFed(c) {
			at[c.Offset] = len(t.Columns)
			t.Columns = append(t.Columns, newColumn(c))
		}
	}
	for _, index := range info.Indices {
		if index.State == model.StatePublic {
			t.Indexes[index.Name.O] = row.Index{Unique: index.Unique || index.Primary, Offsets: addIndex(t, index, at)}
		}
	}
	markHandle(t, info, at)
	return t
}

// isFed leaves out what has no value in the row: virtual generated columns and
// those that a running DDL has not published.
func isFed(c *model.ColumnInfo) bool {
	return c.State == model.StatePublic && !c.IsVirtualGenerated()
}

func newColumn(c *model.ColumnInfo) row.Column {
	tp, flag := c.GetType(), c.GetFlag()
	column := row.Column{
		Name:     c.Name.O,
		Type:     types.TypeToStr(tp, c.GetCharset()),
		FullType: c.GetTypeDesc(),
		Unsigned: mysql.HasUnsignedFlag(flag),
		Binary:   c.GetCharset() == "binary" && isText(tp),
		Primary:  mysql.HasPriKeyFlag(flag),
		Unique:   mysql.HasUniKeyFlag(flag),
	}
	column.SQLType = sqlType(tp, column.Binary)
	if column.Unsigned && tp != mysql.TypeBit && tp != mysql.TypeYear {
		column.Type += " unsigned"
	}
	if mysql.HasZerofillFlag(flag) && tp != mysql.TypeBit && tp != mysql.TypeYear {
		column.Type += " zerofill"
	}
	return column
}

// addIndex marks the columns of an index and returns where they are.
func addIndex(t *row.Table, index *model.IndexInfo, at map[int]int) []int {
	offsets := make([]int, len(index.Columns))
	for i, c := range index.Columns {
		offset, ok := at[c.Offset]
		if !ok {
			offsets[i] = -1
			continue
		}
		offsets[i] = offset
		t.Columns[offset].Primary = t.Columns[offset].Primary || index.Primary
		t.Columns[offset].Unique = t.Columns[offset].Unique || index.Unique && !index.Primary
	}
	return offsets
}

// markHandle finds the key by which TiCDC tells the rows apart: the primary
// key, or the unique index without NULLs that has the fewest columns, of
// several the oldest.
func markHandle(t *row.Table, info *model.TableInfo, at map[int]int) {
	if info.PKIsHandle || info.IsCommonHandle {
		t.Eligible = true
		for i := range t.Columns {
			t.Columns[i].Handle = t.Columns[i].Primary
		}
		return
	}
	var handle *model.IndexInfo
	for _, index := range info.Indices {
		if index.State != model.StatePublic || !tellsRowsApart(info, index) {
			continue
		}
		if handle == nil || better(index, handle) {
			handle = index
		}
	}
	if handle == nil {
		return
	}
	t.Eligible = true
	for _, c := range handle.Columns {
		if offset, ok := at[c.Offset]; ok {
			t.Columns[offset].Handle = true
		}
	}
}

func better(a, b *model.IndexInfo) bool {
	switch {
	case a.Primary != b.Primary:
		return a.Primary
	case len(a.Columns) != len(b.Columns):
		return len(a.Columns) < len(b.Columns)
	}
	return a.ID < b.ID
}

func tellsRowsApart(info *model.TableInfo, index *model.IndexInfo) bool {
	if index.Primary || !index.Unique {
		return index.Primary
	}
	for _, c := range index.Columns {
		column := info.Columns[c.Offset]
		if !mysql.HasNotNullFlag(column.GetFlag()) || column.IsVirtualGenerated() {
			return false
		}
	}
	return true
}
