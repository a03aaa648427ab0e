package tidb

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"

	"helfy/app/projection"
)

// Guard implements projection.Generations.
func (g Generations) Guard(ctx context.Context, partitions []projection.Partition) error {
	for _, p := range partitions {
		var read projection.Checkpoint
		// What any generation has ever read, of the topic that the live one
		// reads.
		err := g.db.QueryRowContext(ctx, `
			SELECT live.topic_id, LEAST(live.first_offset, MIN(other.first_offset)), GREATEST(live.next_offset, MAX(other.next_offset))
			FROM projection_checkpoints live JOIN projection_checkpoints other
			  ON other.projection = live.projection AND other.topic = live.topic AND other.kafka_partition = live.kafka_partition
			WHERE live.projection = ? AND live.generation = `+liveGeneration+` AND live.topic = ? AND live.kafka_partition = ?
			GROUP BY live.topic_id, live.first_offset, live.next_offset`,
			g.layout.Name, g.layout.Name, p.Topic, p.Partition).Scan(&read.TopicID, &read.FirstOffset, &read.NextOffset)
		if errors.Is(err, sql.ErrNoRows) {
			continue // a partition that nobody has read yet
		}
		if err != nil {
			return fmt.Errorf("read checkpoint of %s: %w", p, err)
		}
		if err := read.CheckWhole(p); err != nil {
			return err
		}
	}
	return nil
}

// Digests implements projection.Generations.
func (g Generations) Digests(ctx context.Context, one, other int) (through uint64, digests [2]projection.Digest, err error) {
	if through, err = g.through(ctx, one, other); err != nil {
		return 0, digests, err
	}
	for i, generation := range []int{one, other} {
		if digests[i], err = g.Digest(ctx, generation, through); err != nil {
			return 0, digests, err
		}
	}
	return through, digests, nil
}

func (g Generations) through(ctx context.Context, generations ...int) (uint64, error) {
	least := ^uint64(0)
	for _, generation := range generations {
		through, err := g.layout.Through(ctx, generation)
		if err != nil {
			return 0, err
		}
		least = min(least, through)
	}
	return least, nil
}

// Digest returns the digest of the rows of a generation up to a watermark.
func (g Generations) Digest(ctx context.Context, generation int, through uint64) (projection.Digest, error) {
	var sum projection.Sum
	for _, table := range g.layout.Tables {
		if err := table.digest(ctx, g.db, generation, through, &sum); err != nil {
			return projection.Digest{}, err
		}
	}
	return sum.Digest(), nil
}

// Backlog returns how many records of the partitions a generation has not read
// yet, and how many open dead letters it has.
func (g Generations) Backlog(ctx context.Context, number int, partitions []projection.Partition) (lag, deadLetters int64, err error) {
	for _, p := range partitions {
		var next int64
		err := g.db.QueryRowContext(ctx, `
			SELECT next_offset FROM projection_checkpoints
			WHERE projection = ? AND generation = ? AND topic = ? AND kafka_partition = ?`,
			g.layout.Name, number, p.Topic, p.Partition).Scan(&next)
		if errors.Is(err, sql.ErrNoRows) {
			next, err = p.Earliest, nil
		}
		if err != nil {
			return 0, 0, fmt.Errorf("read checkpoint of %s: %w", p, err)
		}
		lag += max(0, p.End-next)
	}
	deadLetters, _, err = NewDeadLetters(g.db).Count(ctx, g.layout.Name, number)
	return lag, deadLetters, err
}

// Discard implements projection.Generations.
func (g Generations) Discard(ctx context.Context, number int) error {
	if err := g.Retire(ctx, number); err != nil {
		return err
	}
	names := g.layout.Derived
	for _, table := range g.layout.Tables {
		names = append(names[:len(names):len(names)], table.Name)
	}
	for _, name := range names {
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
	for _, table := range g.layout.Tables {
		if err := table.differences(ctx, g.db, [2]int{live, number}, through, take); err != nil {
			return err
		}
	}
	return nil
}

// differences reads both generations side by side.
func (t Table) differences(
	ctx context.Context, db *sql.DB, generations [2]int, through uint64, take func(projection.Difference) error,
) error {
	var cursors [2]*cursor
	for i, generation := range generations {
		cursors[i] = &cursor{table: t, from: db, generation: generation, through: through}
		if err := cursors[i].advance(ctx); err != nil {
			return err
		}
	}
	for cursors[0].row != nil || cursors[1].row != nil {
		order := compareKeys(cursors[0].row, cursors[1].row)
		difference := projection.Difference{Table: t.Name}
		if order <= 0 {
			difference.Key, difference.Live = t.named(*cursors[0].row)
		}
		if order >= 0 {
			difference.Key, difference.New = t.named(*cursors[1].row)
		}
		if order != 0 || !equalRows(*cursors[0].row, *cursors[1].row) {
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
	row        *storedRow // nil at the end
}

func (c *cursor) advance(ctx context.Context) (err error) {
	if len(c.page) == 0 && !c.last {
		after := c.table.beginning()
		if c.row != nil {
			if after, err = c.row.position(); err != nil {
				return err
			}
		}
		if c.page, err = c.table.page(ctx, c.from, c.generation, c.through, after); err != nil {
			return fmt.Errorf("read %s: %w", c.table.Name, err)
		}
		c.last = len(c.page) < scanPage
	}
	c.row = nil
	if len(c.page) > 0 {
		c.row, c.page = &c.page[0], c.page[1:]
	}
	return nil
}

// compareKeys orders rows as the database does; none comes last.
func compareKeys(one, other *storedRow) int {
	switch {
	case other == nil:
		return -1
	case one == nil:
		return 1
	}
	// The first column is a number: of two, the longer one is the greater.
	if a, b := one.fields[0], other.fields[0]; len(a) != len(b) {
		return len(a) - len(b)
	}
	for i := range one.key {
		if order := bytes.Compare(one.fields[i], other.fields[i]); order != 0 {
			return order
		}
	}
	return 0
}

func equalRows(one, other storedRow) bool {
	for i := range one.fields {
		if !bytes.Equal(one.fields[i], other.fields[i]) || (one.fields[i] == nil) != (other.fields[i] == nil) {
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
	return name(t.Key, row.fields), name(t.Content, row.fields[row.key:])
}
