package tidb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"helfy/app/projection"
	"helfy/app/query"
	"helfy/domain"
)

// condition chooses entries of the log.
type condition struct {
	text string // SQL
	args []any
	// index has the entries that the condition chooses in the order of the
	// log; empty if there is none.
	index string
	// bounds says that it bounds the commitTs, by which every index goes on.
	bounds bool
}

// tableIndex is the index that has the table before the commit.
const tableIndex = "audit_table"

// direction is an order in which the log is read.
type direction struct{ order, beyond, upTo string }

var (
	newestFirst = direction{order: "DESC", beyond: "<", upTo: ">="}
	oldestFirst = direction{order: "ASC", beyond: ">", upTo: "<="}
)

// maxStretch bounds the keys of a stretch, unless a page is longer.
const maxStretch = 4096

// sorted reads chosen entries that follow a position in the order of their
// identity.
//
// What the row alone tells would keep a page's limit from the index, and TiDB
// would look up far more rows than a page has. So the log is read in stretches:
// first it is asked where the next keys of an index end, as many as the page
// has entries, and then for the rows as far as there. What is committed in
// between is read or is not, like anything that comes late, but no key belongs
// to two stretches or to none. While the page is not full, each stretch is
// twice as long as the one before.
func (a AuditLog) sorted(
	ctx context.Context, chosen []condition, to direction, after *query.AuditPosition, limit int,
) ([]domain.AuditEntry, error) {
	entries := []domain.AuditEntry{}
	for keys := firstStretch(chosen, limit); ; keys = max(limit, min(2*keys, maxStretch)) {
		index, end, err := a.stretch(ctx, chosen, to, after, keys)
		if err != nil {
			return nil, err
		}
		some, err := a.between(ctx, index, chosen, to, after, end, limit-len(entries))
		if err != nil {
			return nil, err
		}
		entries = append(entries, some...)
		if len(entries) == limit || end == nil {
			return entries, nil
		}
		after = end
	}
}

// firstStretch returns how many keys are likely to fill a page: of several
// conditions an index serves one, and the others leave some out.
func firstStretch(chosen []condition, limit int) int {
	served := 0
	for _, c := range chosen {
		if c.index != "" {
			served++
		}
	}
	return limit * max(1, min(served, 2))
}

// stretch returns the index that leads farthest with a number of keys, and the
// last of them; nil if there are fewer. TiDB itself would take the whole log
// and sort it where it believes that to be cheaper, and what it believes
// changes with its statistics.
func (a AuditLog) stretch(
	ctx context.Context, chosen []condition, to direction, after *query.AuditPosition, keys int,
) (index string, end *query.AuditPosition, err error) {
	for _, by := range chosen {
		if by.index == "" {
			continue
		}
		covered := []condition{by}
		for _, c := range chosen {
			if c.bounds {
				covered = append(covered, c)
			}
		}
		last, err := a.keyAt(ctx, by.index, covered, to, after, keys)
		if err != nil || last == nil {
			return by.index, nil, err
		}
		if end == nil || to.leads(*last, *end) {
			index, end = by.index, last
		}
	}
	if index != "" {
		return index, end, nil
	}
	end, err = a.keyAt(ctx, "PRIMARY", chosen, to, after, keys)
	return "PRIMARY", end, err
}

// leads reports whether a position is farther than another one. Within one
// commit that does not matter.
func (d direction) leads(one, other query.AuditPosition) bool {
	if d == newestFirst {
		return one.CommitTs < other.CommitTs
	}
	return one.CommitTs > other.CommitTs
}

// keyAt returns the key at a place, counted from 1, among those of an index
// that follow a position; nil if there are fewer.
func (a AuditLog) keyAt(
	ctx context.Context, index string, chosen []condition, to direction, after *query.AuditPosition, place int,
) (*query.AuditPosition, error) {
	where, args := a.where(index, chosen, to, after, nil)
	var key query.AuditPosition
	err := a.db.QueryRowContext(ctx, `
		SELECT /*+ ORDER_INDEX(a, `+index+`) */ a.commit_ts, a.table_name, a.row_key
		FROM projection_audit_entries a WHERE `+where+orderBy(index, to)+` LIMIT 1 OFFSET ?`,
		append(args, place-1)...).Scan(&key.CommitTs, &key.Table, &key.RowKey)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read keys of audit entries: %w", err)
	}
	return &key, nil
}

// between reads the entries that follow a position, as far as end, out of an
// index that has this order where the conditions hold. A row that only has its
// DELETE half stays hidden until its partition's watermark has passed: the
// other half of a split UPDATE may still come.
func (a AuditLog) between(
	ctx context.Context, index string, chosen []condition, to direction, after, end *query.AuditPosition, limit int,
) ([]domain.AuditEntry, error) {
	where, args := a.where(index, chosen, to, after, end)
	return readEntries(ctx, a.db, `
		SELECT /*+ ORDER_INDEX(a, `+index+`), INL_JOIN(p) */ `+entryColumns+`
		FROM projection_audit_entries a LEFT JOIN projection_checkpoints p
		  ON p.projection = ? AND p.generation = a.generation AND p.topic = a.topic AND p.kafka_partition = a.kafka_partition
		WHERE `+where+` AND (a.new_row IS NOT NULL OR a.commit_ts <= p.watermark)`+orderBy(index, to)+` LIMIT ?`,
		append(append([]any{projection.AuditName}, args...), limit)...)
}

// where returns the SQL of conditions, of what follows a position and of what
// is no farther than end, for an index.
func (a AuditLog) where(
	index string, chosen []condition, to direction, after, end *query.AuditPosition,
) (where string, args []any) {
	number, of := a.number()
	all := []string{"a.generation = " + number}
	args = []any{of}
	table := ""
	for _, c := range chosen {
		all, args = append(all, c.text), append(args, c.args...)
		if c.index == tableIndex && index == tableIndex {
			table, _ = c.args[0].(string)
		}
	}
	bound := func(at *query.AuditPosition, comparison string) {
		if at != nil {
			text, values := compare(*at, comparison, table)
			all, args = append(all, text), append(args, values...)
		}
	}
	bound(after, to.beyond)
	bound(end, to.upTo)
	return strings.Join(all, " AND "), args
}

// compare returns the SQL of how entries compare with a position. Of those of
// one table it asks by no more than the index of tables has next, so that all
// of it is a range of that index, and a limit bounds what is read.
func compare(at query.AuditPosition, comparison, table string) (text string, args []any) {
	least := comparison[:1] // without equality
	switch {
	case table == "":
		return "(a.commit_ts, a.table_name, a.row_key) " + comparison + " (?, ?, ?)", []any{at.CommitTs, at.Table, at.RowKey}
	case table == at.Table:
		return "(a.commit_ts, a.row_key) " + comparison + " (?, ?)", []any{at.CommitTs, at.RowKey}
	case (table < at.Table) == (least == "<"):
		return "a.commit_ts " + least + "= ?", []any{at.CommitTs}
	default:
		return "a.commit_ts " + least + " ?", []any{at.CommitTs}
	}
}

// orderBy returns the ORDER BY of an index.
func orderBy(index string, to direction) string {
	columns := []string{"a.commit_ts", "a.table_name", "a.row_key"}
	if index == tableIndex {
		columns = []string{"a.commit_ts", "a.row_key"} // the table is the same, which TiDB does not see
	}
	return " ORDER BY " + strings.Join(columns, " "+to.order+", ") + " " + to.order
}
