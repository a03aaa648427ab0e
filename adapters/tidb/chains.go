package tidb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"helfy/domain"
)

// Chains keeps the chains of events that belong to no user. It is safe for
// concurrent use.
type Chains struct{ writing }

// NewChains returns the chains in db, which keyring seals.
func NewChains(db *sql.DB, keyring *domain.Keyring) Chains {
	return Chains{writing{db: db, keyring: keyring}}
}

// Observed returns the same chains, whose transactions observe is told of.
func (c Chains) Observed(observe Observe) Chains {
	c.observe = observe
	return c
}

// Append stores the event that link makes for the locked head of a chain.
// link may be called several times and must give the same event, by id, each
// time. An event whose id is in the outbox already is not stored again.
func (c Chains) Append(ctx context.Context, chain domain.Chain, link func(domain.Head) (domain.Event, domain.Head)) error {
	err := c.append(ctx, commandAppendToChain, func(ctx context.Context, tx *sql.Tx, a *appending) error {
		head, err := a.lockChain(ctx, tx, chain)
		if err != nil {
			return err
		}
		event, head := link(head)
		if err := settle(ctx, tx, []domain.Event{event}); err != nil {
			return err
		}
		return extend(ctx, tx, chain, event, head)
	})
	if err != nil {
		return fmt.Errorf("append to chain %s: %w", chain, err)
	}
	return nil
}

// extend writes the link after a locked head, and the head that it makes.
func extend(ctx context.Context, tx *sql.Tx, chain domain.Chain, event domain.Event, head domain.Head) error {
	if err := publish(ctx, tx, []domain.Event{event}); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx,
		"UPDATE event_chains SET event_seq = ?, event_hash = ? WHERE aggregatetype = ? AND aggregateid = ?",
		head.Seq, head.Hash, chain.AggregateType, chain.AggregateID)
	if err != nil {
		return fmt.Errorf("move the chain's head: %w", err)
	}
	return nil
}

// lockChain reads the newest head of a chain and holds it.
func lockChain(ctx context.Context, tx *sql.Tx, chain domain.Chain) (domain.Head, error) {
	head, err := readChain(ctx, tx, chain)
	if !errors.Is(err, sql.ErrNoRows) {
		return head, err
	}
	_, err = tx.ExecContext(ctx, `
		INSERT INTO event_chains (aggregatetype, aggregateid, event_seq, event_hash) VALUES (?, ?, 0, '')
		ON DUPLICATE KEY UPDATE event_seq = event_seq`, chain.AggregateType, chain.AggregateID)
	if err != nil {
		return domain.Head{}, fmt.Errorf("begin chain: %w", err)
	}
	return readChain(ctx, tx, chain)
}

func readChain(ctx context.Context, tx *sql.Tx, chain domain.Chain) (domain.Head, error) {
	var head domain.Head
	err := tx.QueryRowContext(ctx,
		"SELECT event_seq, event_hash FROM event_chains WHERE aggregatetype = ? AND aggregateid = ? FOR UPDATE",
		chain.AggregateType, chain.AggregateID).Scan(&head.Seq, &head.Hash)
	if err != nil {
		return domain.Head{}, fmt.Errorf("read chain: %w", err)
	}
	return head, head.CheckRoom()
}
