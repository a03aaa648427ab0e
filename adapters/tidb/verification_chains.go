package tidb

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"helfy/domain"
)

// maxTuples bounds the rows of one statement.
const maxTuples = 500

// tuples returns so many lists of n parameters.
func tuples(count, n int) string {
	list := "(" + strings.TrimSuffix(strings.Repeat("?,", n), ",") + ")"
	return strings.TrimSuffix(strings.Repeat(list+",", count), ",")
}

// loadChains reads the states of the chains that events belong to.
func loadChains(ctx context.Context, tx *sql.Tx, generation int, pass uint64, entries []domain.AuditEntry) (map[domain.Chain]domain.ChainState, error) {
	states := map[domain.Chain]domain.ChainState{}
	for names := range slices.Chunk(chainsOf(entries), maxTuples) {
		args := []any{generation, pass}
		for _, name := range names {
			args = append(args, name.AggregateType, name.AggregateID)
		}
		if err := loadSomeChains(ctx, tx, states, "generation = ? AND pass = ? AND (aggregatetype, aggregateid) IN ("+tuples(len(names), 2)+")", args); err != nil {
			return nil, fmt.Errorf("read the states of chains: %w", err)
		}
	}
	return states, nil
}

// chainsOf names the chains of the events among entries, each once. An event
// whose row cannot be read stands in no chain.
func chainsOf(entries []domain.AuditEntry) []domain.Chain {
	var chains []domain.Chain
	seen := map[domain.Chain]bool{}
	for _, entry := range entries {
		if entry.Source != domain.SourceEvent {
			continue
		}
		chain, err := domain.ChainOf(entry)
		if err == nil && !seen[chain] {
			seen[chain] = true
			chains = append(chains, chain)
		}
	}
	return chains
}

func loadSomeChains(ctx context.Context, tx *sql.Tx, states map[domain.Chain]domain.ChainState, where string, args []any) error {
	rows, err := tx.QueryContext(ctx, "SELECT aggregatetype, aggregateid, state FROM projection_audit_chains WHERE "+where, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var chain domain.Chain
		var text []byte
		if err := rows.Scan(&chain.AggregateType, &chain.AggregateID, &text); err != nil {
			return err
		}
		var state domain.ChainState
		if err := json.Unmarshal(text, &state); err != nil {
			return fmt.Errorf("%w: chain %s: %w", errUnreadable, chain, err)
		}
		states[chain] = state
	}
	return rows.Err()
}

// saveChains writes the states that differ from those before.
func saveChains(ctx context.Context, tx *sql.Tx, generation int, pass uint64, before, after map[domain.Chain]domain.ChainState) error {
	var args []any
	const columns = 5
	for chain, state := range after {
		if was, known := before[chain]; known && reflect.DeepEqual(was, state) {
			continue
		}
		text, err := json.Marshal(state)
		if err != nil {
			return fmt.Errorf("write the state of chain %s: %w", chain, err)
		}
		args = append(args, generation, pass, chain.AggregateType, chain.AggregateID, string(text))
	}
	for some := range slices.Chunk(args, maxTuples*columns) {
		_, err := tx.ExecContext(ctx, `
			INSERT INTO projection_audit_chains (generation, pass, aggregatetype, aggregateid, state)
			VALUES `+tuples(len(some)/columns, columns)+`
			ON DUPLICATE KEY UPDATE state = VALUES(state)`, some...)
		if err != nil {
			return fmt.Errorf("write the states of chains: %w", err)
		}
	}
	return nil
}

// forget removes some states of passes before the current one.
func (v Verification) forget(ctx context.Context, generation int, pass uint64) error {
	if pass == 0 {
		return nil
	}
	_, err := v.db.ExecContext(ctx, "DELETE FROM projection_audit_chains WHERE generation = ? AND pass < ? LIMIT 1000", generation, pass)
	if err != nil {
		return fmt.Errorf("remove the states of chains of former passes: %w", err)
	}
	return nil
}
