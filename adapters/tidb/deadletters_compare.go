package tidb

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// compared returns the tables in which generations are compared: those of the
// layout, and the dead letters of the records that all of them have read. Their
// reasons are left out: they are words of the code that met them.
func (g Generations) compared(ctx context.Context, from querier, generations ...int) ([]Table, error) {
	args := []any{g.layout.Name}
	for _, generation := range generations {
		args = append(args, generation)
	}
	rows, err := from.QueryContext(ctx, `
		SELECT topic, kafka_partition, MIN(next_offset) FROM projection_checkpoints
		WHERE projection = ? AND generation IN `+tuples(1, len(generations))+`
		GROUP BY topic, kafka_partition HAVING COUNT(*) = ?`, append(args, len(generations))...)
	if err != nil {
		return nil, fmt.Errorf("read checkpoints: %w", err)
	}
	defer rows.Close()
	var read []string
	letters := []any{g.layout.Name}
	for rows.Next() {
		var topic string
		var partition int32
		var next int64
		if err := rows.Scan(&topic, &partition, &next); err != nil {
			return nil, fmt.Errorf("read checkpoint: %w", err)
		}
		read = append(read, "topic = ? AND kafka_partition = ? AND kafka_offset < ?")
		letters = append(letters, topic, partition, next)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read checkpoints: %w", err)
	}
	if len(read) == 0 {
		return g.layout.Tables, nil
	}
	return append(slices.Clone(g.layout.Tables), Table{
		Name:    "projection_dead_letters",
		Key:     []Column{{"topic", false}, {"kafka_partition", true}, {"kafka_offset", true}},
		Content: []string{"size", "digest", "SHA2(value, 256)"},
		where:   "projection = ? AND (" + strings.Join(read, " OR ") + ")",
		args:    letters,
	}), nil
}
