package route

import (
	"slices"
	"time"

	filter "github.com/pingcap/tidb/pkg/util/table-filter"

	"helfy/canaljson"
	"helfy/devstack/feed/changefeed"
	"helfy/devstack/feed/row"
	"helfy/devstack/feed/tso"
)

// KeepsDDL reports whether a schema change may be sent. A table that is renamed
// into those of the filter is an error, as in TiCDC: its rows were not fed.
func (f *Filter) KeepsDDL(d *row.DDL) (bool, error) {
	if !d.Eligible && !f.ineligible || slices.Contains(f.startTs, d.StartTs) {
		return false, nil
	}
	selected := matches(f.tables, d)
	if d.OldTable != "" {
		before := f.tables.MatchTable(d.OldSchema, d.OldTable)
		if selected && !before {
			return false, changefeed.Errorf(changefeed.ErrRenameTable,
				"table's old name %s.%s is not in filter rule, and its new name is in filter rule: '%s'", d.OldSchema, d.OldTable, d.Query)
		}
		selected = before
	}
	return selected && !slices.ContainsFunc(f.events, func(rule eventRule) bool { return rule.ignoresDDL(d) }), nil
}

func (rule eventRule) ignoresDDL(d *row.DDL) bool {
	return matches(rule.tables, d) &&
		slices.ContainsFunc(rule.ignore, func(name string) bool {
			return name == "all ddl" || name == d.Kind || aliases[name] == d.Kind || d.AlterTable && name == "alter table"
		})
}

// aliases are the second names of kinds.
var aliases = map[string]string{"create schema": "create database", "drop schema": "drop database"}

// matches asks for the whole database when there is no table.
func matches(tables filter.Filter, d *row.DDL) bool {
	if d.Table == "" {
		return tables.MatchSchema(d.Schema)
	}
	return tables.MatchTable(d.Schema, d.Table)
}

// DDLTopic is where a schema change goes, to partition 0: the topic of the
// table, under the name that it had, or else the default one.
func (r *Router) DDLTopic(d *row.DDL) string {
	schema, table := d.Before()
	if table == "" {
		return r.defaultTopic
	}
	return r.Topic(&row.Table{Schema: schema, Name: table})
}

// DDL returns the message of a schema change.
func (enc *Encoder) DDL(d *row.DDL, now time.Time) ([]byte, error) {
	m := &canaljson.DDL{
		Database: d.Schema, Table: d.Table, Type: d.Type, Query: d.Query,
		CommitMillis: tso.Millis(d.CommitTs), EncodedMillis: now.UnixMilli(),
	}
	if enc.sink.Kafka.Codec.EnableTiDBExtension {
		m.CommitTs = d.CommitTs
	}
	return canaljson.Encode(m)
}
