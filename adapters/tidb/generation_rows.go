package tidb

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"

	"helfy/app/projection"
)

// Digests implements projection.Generations.
func (g Generations) Digests(ctx context.Context, one, other int) (through uint64, digests [2]projection.Digest, err error) {
	through, both, err := g.DigestAll(ctx, []int{one, other})
	if err == nil {
		digests = [2]projection.Digest(both)
	}
	return through, digests, err
}

// DigestAll is Digests of any number of generations, at least one.
func (g Generations) DigestAll(ctx context.Context, generations []int) (through uint64, digests []projection.Digest, err error) {
	digests = make([]projection.Digest, len(generations))
	err = inSnapshot(ctx, g.db, func(tx *sql.Tx) error {
		for _, other := range generations[1:] {
			if err := g.level(ctx, tx, generations[0], other); err != nil {
				return err
			}
		}
		if through, err = g.through(ctx, tx, generations...); err != nil {
			return err
		}
		tables, err := g.compared(ctx, tx, generations...)
		if err != nil {
			return err
		}
		for i, generation := range generations {
			if digests[i], err = digestOf(ctx, tx, tables, generation, through); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return 0, nil, fmt.Errorf("sum up generations %v of %s: %w", generations, g.layout.Name, err)
	}
	return through, digests, nil
}

func digestOf(ctx context.Context, from querier, tables []Table, generation int, through uint64) (projection.Digest, error) {
	var sum projection.Sum
	for _, table := range tables {
		if err := table.digest(ctx, from, generation, through, &sum); err != nil {
			return projection.Digest{}, err
		}
	}
	return sum.Digest(), nil
}

// inSnapshot runs plain reads that all see one moment. They hold no locks, so
// that the transaction may be idle, while somebody looks at what was read.
func inSnapshot(ctx context.Context, db *sql.DB, read func(*sql.Tx) error) error {
	return once(ctx, db, sql.LevelDefault, func(ctx context.Context, tx *sql.Tx, _ bool) error {
		if err := setIdle(ctx, tx, 0); err != nil {
			return err
		}
		return errors.Join(read(tx), setIdle(context.WithoutCancel(ctx), tx, idleTxSeconds))
	}, false)
}

func setIdle(ctx context.Context, tx *sql.Tx, seconds int) error {
	if _, err := tx.ExecContext(ctx, "SET SESSION "+idleTxVariable+" = ?", seconds); err != nil && !errors.Is(err, sql.ErrTxDone) {
		return fmt.Errorf("bound an idle transaction: %w", err)
	}
	return nil
}

// level returns projection.ErrApart if a table can only be compared when two
// generations have read the same, and they have not. Once they have they stay
// so: each flush writes both.
func (g Generations) level(ctx context.Context, tx *sql.Tx, one, other int) error {
	if !g.layout.whole() {
		return nil
	}
	var topic string
	var partition int32
	var least, most int64
	err := tx.QueryRowContext(ctx, `
		SELECT topic, kafka_partition, IF(COUNT(*) < 2, 0, MIN(next_offset)) AS least, MAX(next_offset) AS most
		FROM projection_checkpoints WHERE projection = ? AND generation IN (?, ?)
		GROUP BY topic, kafka_partition HAVING least <> most LIMIT 1`,
		g.layout.Name, one, other).Scan(&topic, &partition, &least, &most)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("compare checkpoints: %w", err)
	}
	return fmt.Errorf("%w: of %s[%d] one is at offset %d, the other at %d", projection.ErrApart, topic, partition, least, most)
}

// through returns the least watermark of generations, projection.AllRows if
// one of them has none: nothing is equal for want of a watermark.
func (g Generations) through(ctx context.Context, from querier, generations ...int) (uint64, error) {
	least := projection.AllRows
	for _, generation := range generations {
		through, err := g.throughOf(ctx, from, generation)
		if err != nil {
			return 0, err
		}
		if through == 0 {
			return projection.AllRows, nil
		}
		least = min(least, through)
	}
	return least, nil
}

func (g Generations) throughOf(ctx context.Context, from querier, generation int) (uint64, error) {
	if g.layout.Through != nil {
		return g.layout.Through(ctx, from, generation)
	}
	return completeThrough(ctx, from, g.layout.Name, "?", generation)
}

// Discard implements projection.Generations.
func (g Generations) Discard(ctx context.Context, number int) error {
	if err := g.Retire(ctx, number); err != nil {
		return err
	}
	for _, name := range g.layout.names() {
		if err := removeGeneration(ctx, g.db, name, number); err != nil {
			return err
		}
	}
	return g.change(ctx, func(ctx context.Context, tx *sql.Tx, _ []projection.Generation) error {
		return g.setState(ctx, tx, number, projection.Pruned)
	})
}

// Differences implements projection.Generations.
func (g Generations) Differences(
	ctx context.Context, live, number int, through uint64, take func(projection.Difference) error,
) error {
	return inSnapshot(ctx, g.db, func(tx *sql.Tx) error {
		if err := g.level(ctx, tx, live, number); err != nil {
			return err
		}
		tables, err := g.compared(ctx, tx, live, number)
		if err != nil {
			return err
		}
		for _, table := range tables {
			if err := table.differences(ctx, tx, [2]int{live, number}, through, take); err != nil {
				return err
			}
		}
		return nil
	})
}

// differences reads both generations side by side.
func (t Table) differences(
	ctx context.Context, from querier, generations [2]int, through uint64, take func(projection.Difference) error,
) error {
	var cursors [2]*cursor
	for i, generation := range generations {
		cursors[i] = &cursor{table: t, from: from, generation: generation, through: through}
		if err := cursors[i].advance(ctx); err != nil {
			return err
		}
	}
	for cursors[0].row != nil || cursors[1].row != nil {
		order := t.compareKeys(cursors[0].row, cursors[1].row)
		difference := projection.Difference{Table: t.Name}
		if order <= 0 {
			difference.Key, difference.Live = t.named(cursors[0].row)
		}
		if order >= 0 {
			difference.Key, difference.New = t.named(cursors[1].row)
		}
		if order != 0 || !equalRows(cursors[0].row, cursors[1].row) {
			if err := take(difference); err != nil {
				return err
			}
		}
		for i, moves := range []bool{order <= 0, order >= 0} {
			if moves {
				if err := cursors[i].advance(ctx); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// cursor goes through the rows of a generation one by one.
type cursor struct {
	table      Table
	from       querier
	generation int
	through    uint64
	page       []storedRow
	last       bool
	row        storedRow // nil at the end
}

func (c *cursor) advance(ctx context.Context) (err error) {
	if len(c.page) == 0 && !c.last {
		if c.page, err = c.table.page(ctx, c.from, c.generation, c.through, c.row); err != nil {
			return fmt.Errorf("read %s: %w", c.table.Name, err)
		}
		c.last = len(c.page) < scanPage
	}
	c.row = nil
	if len(c.page) > 0 {
		c.row, c.page = c.page[0], c.page[1:]
	}
	return nil
}

func equalRows(one, other storedRow) bool {
	for i := range one {
		if !bytes.Equal(one[i], other[i]) || (one[i] == nil) != (other[i] == nil) {
			return false
		}
	}
	return true
}

// named returns a row's columns by name, those of the key and the others.
func (t Table) named(row storedRow) (key, content map[string]*string) {
	name := func(columns []string, fields [][]byte) map[string]*string {
		values := make(map[string]*string, len(columns))
		for i, column := range columns {
			values[column] = nil
			if fields[i] != nil {
				text := string(fields[i])
				values[column] = &text
			}
		}
		return values
	}
	return name(t.keyNames(), row), name(t.Content, row[len(t.Key):])
}
