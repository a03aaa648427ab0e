// Package route decides, as a changefeed's definition says, which changed
// rows are sent, in which form, and to which topic and partition.
package route

import (
	"slices"

	filter "github.com/pingcap/tidb/pkg/util/table-filter"

	"helfy/devstack/feed/changefeed"
	"helfy/devstack/feed/row"
)

// Filter selects tables and rows.
type Filter struct {
	tables     filter.Filter
	events     []eventRule
	startTs    []uint64
	ineligible bool
}

type eventRule struct {
	tables filter.Filter
	ignore []string
}

// NewFilter checks the rules.
func NewFilter(c *changefeed.Config) (*Filter, error) {
	tables, err := matcher(c.Filter.Rules, c.CaseSensitive)
	if err != nil {
		return nil, err
	}
	f := &Filter{tables: tables, startTs: c.Filter.IgnoreTxnStartTs, ineligible: c.ForceReplicate}
	for _, rule := range c.Filter.EventFilters {
		tables, err := matcher(rule.Matcher, c.CaseSensitive)
		if err != nil {
			return nil, err
		}
		for _, name := range rule.IgnoreEvent {
			if !slices.Contains(eventTypes, name) {
				return nil, changefeed.Errorf(changefeed.ErrIgnoreEvent, "invalid ignore event type: '%s'", name)
			}
		}
		f.events = append(f.events, eventRule{tables: tables, ignore: rule.IgnoreEvent})
	}
	return f, nil
}

func matcher(rules []string, caseSensitive bool) (filter.Filter, error) {
	f, err := filter.Parse(rules)
	if err != nil {
		return nil, changefeed.Errorf(changefeed.ErrFilterRule, "filter rule is invalid %v: %v", rules, err)
	}
	if !caseSensitive {
		f = filter.CaseInsensitive(f)
	}
	return f, nil
}

// Selects reports whether the filter rules name the table.
func (f *Filter) Selects(t *row.Table) bool { return f.tables.MatchTable(t.Schema, t.Name) }

// Feeds reports whether rows of the table may be sent: without a key that
// tells its rows apart a table is only fed with force_replicate.
func (f *Filter) Feeds(t *row.Table) bool {
	return (t.Eligible || f.ineligible) && f.Selects(t)
}

// Keeps reports whether the event filters let the event pass. TiCDC's classic
// architecture asks before an update that changes a key is split in two.
func (f *Filter) Keeps(e *row.Event) bool {
	if slices.Contains(f.startTs, e.StartTs) {
		return false
	}
	kind := "update"
	switch {
	case e.Old == nil:
		kind = "insert"
	case e.New == nil:
		kind = "delete"
	}
	for _, rule := range f.events {
		ignored := slices.Contains(rule.ignore, kind) || slices.Contains(rule.ignore, "all dml")
		if ignored && rule.tables.MatchTable(e.Table.Schema, e.Table.Name) {
			return false
		}
	}
	return true
}

// eventTypes are the names that ignore_event knows, those of DDL included.
var eventTypes = []string{
	"all dml", "all ddl", "insert", "update", "delete",
	"create schema", "create database", "drop schema", "drop database", "modify schema charset and collate",
	"create table", "drop table", "truncate table", "rename table", "recover table", "alter table",
	"modify table comment", "modify table charset and collate", "create view", "drop view",
	"add table partition", "drop table partition", "truncate table partition", "exchange table partition",
	"reorganize table partition", "alter table partitioning", "remove table partitioning",
	"add column", "drop column", "modify column", "set default value", "rebase auto id",
	"add primary key", "drop primary key", "create index", "drop index", "rename index", "alter index visibility",
	"alter ttl info", "alter ttl remove", "multi schema change",
}
