package route

import (
	filter "github.com/pingcap/tidb/pkg/util/table-filter"

	"helfy/devstack/feed/changefeed"
	"helfy/devstack/feed/row"
)

// Selector leaves out columns. The first selector whose matcher fits decides.
type Selector struct{ rules []selectorRule }

type selectorRule struct {
	tables  filter.Filter
	columns filter.ColumnFilter
}

// NewSelector checks the column selectors.
func NewSelector(c *changefeed.Config) (*Selector, error) {
	s := &Selector{}
	for _, rule := range c.Sink.ColumnSelectors {
		tables, err := matcher(rule.Matcher, c.CaseSensitive)
		if err != nil {
			return nil, err
		}
		columns, err := filter.ParseColumnFilter(rule.Columns)
		if err != nil {
			return nil, changefeed.Errorf(changefeed.ErrFilterRule, "column selector is invalid %v: %v", rule.Columns, err)
		}
		s.rules = append(s.rules, selectorRule{tables: tables, columns: columns})
	}
	return s, nil
}

// Selected tells which columns of the table are sent, by offset. A table of
// which no whole key survives is an error: its rows could not be told apart.
func (s *Selector) Selected(t *row.Table) ([]bool, error) {
	selected := make([]bool, len(t.Columns))
	for i, c := range t.Columns {
		selected[i] = s.selects(t, c.Name)
	}
	if !keyRemains(t, selected) {
		return nil, changefeed.Errorf(changefeed.ErrColumnSelector,
			"the column selector leaves no primary or unique key of table %s.%s", t.Schema, t.Name)
	}
	return selected, nil
}

func (s *Selector) selects(t *row.Table, column string) bool {
	for _, rule := range s.rules {
		if rule.tables.MatchTable(t.Schema, t.Name) {
			return rule.columns.MatchColumn(column)
		}
	}
	return true
}

func keyRemains(t *row.Table, selected []bool) bool {
	handle, all := false, true
	for i, c := range t.Columns {
		all = all && selected[i]
		handle = handle || c.Handle
		if c.Handle && !selected[i] {
			return uniqueRemains(t, selected)
		}
	}
	return handle || all
}

func uniqueRemains(t *row.Table, selected []bool) bool {
	for _, index := range t.Indexes {
		remains := index.Unique
		for _, offset := range index.Offsets {
			remains = remains && offset >= 0 && selected[offset]
		}
		if remains {
			return true
		}
	}
	return false
}

// project returns the event with the selected columns only.
func project(e *row.Event, selected []bool) *row.Event {
	t := *e.Table
	t.Columns = keep(t.Columns, selected)
	return &row.Event{
		Table: &t, StartTs: e.StartTs, CommitTs: e.CommitTs,
		Old: keep(e.Old, selected), New: keep(e.New, selected),
	}
}

// keep leaves nil nil.
func keep[T any](list []T, selected []bool) []T {
	var kept []T
	for i, v := range list {
		if selected[i] {
			kept = append(kept, v)
		}
	}
	return kept
}
