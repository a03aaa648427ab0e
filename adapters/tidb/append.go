package tidb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"helfy/app/command"
	"helfy/domain"
)

// errObstructed says that the place of a chain's next link is taken: somebody
// has written into the outbox or set the chain's head back.
var errObstructed = errors.New("another outbox row has the chain's next number")

// maxObstacles bounds the rows that one append looks at.
const maxObstacles = 10_000

// appending is one append to a chain, over all attempts of its transaction.
type appending struct {
	keyring *domain.Keyring
	// inDoubt is that of txFunc.
	inDoubt bool
	// events are those that the last attempt wanted to write.
	events []domain.Event
	// obstructed says that an earlier attempt met errObstructed.
	obstructed bool
}

// append is inTx for a function that appends to a chain. The function calls
// pass with the head that it has locked, and sets events.
func (w writing) append(ctx context.Context, command string, fn func(context.Context, *sql.Tx, *appending) error) error {
	a := &appending{keyring: w.keyring}
	return w.inTx(ctx, command, func(ctx context.Context, tx *sql.Tx, inDoubt bool) error {
		a.inDoubt = inDoubt
		err := fn(ctx, tx, a)
		a.obstructed = a.obstructed || errors.Is(err, errObstructed)
		return err
	})
}

// settle returns errSettled if an attempt of unknown outcome is there. The
// caller holds the lock that the attempt held.
func (a *appending) settle(ctx context.Context, tx *sql.Tx) error {
	if !a.inDoubt {
		return nil
	}
	return settle(ctx, tx, a.events)
}

// pass returns the head that the chain goes on from. That is the locked one,
// unless something is in the way: then it is the chain's last genuine event
// after it, if there is one, and rows that are not genuine are removed. Kafka
// has them already, so that they stay known.
func (a *appending) pass(ctx context.Context, tx *sql.Tx, chain domain.Chain, head domain.Head) (domain.Head, error) {
	if !a.obstructed {
		return head, head.CheckRoom()
	}
	events, err := lockEventsAfter(ctx, tx, chain, head.Seq)
	if err != nil {
		return head, err
	}
	for _, event := range events {
		if a.keyring.VerifyEvent(event) {
			head = domain.Head{Seq: event.Seq, Hash: event.Hash}
			continue
		}
		if _, err := tx.ExecContext(ctx, "DELETE FROM outbox WHERE id = ?", event.ID); err != nil {
			return head, fmt.Errorf("remove forged event %s: %w", event.ID, err)
		}
	}
	return head, head.CheckRoom()
}

// lockUser locks a user whose chain is appended to.
func (a *appending) lockUser(ctx context.Context, tx *sql.Tx, id domain.UserID) (*domain.User, error) {
	state, err := lockUser(ctx, tx, id)
	if err != nil {
		return nil, err
	}
	state.Head, err = a.pass(ctx, tx, userChain(id), state.Head)
	if err != nil {
		return nil, fmt.Errorf("chain of user %d: %w", id, err)
	}
	return domain.LoadUser(state, a.keyring), nil
}

// lockChain is lockChain for a chain that is appended to.
func (a *appending) lockChain(ctx context.Context, tx *sql.Tx, chain domain.Chain) (domain.Head, error) {
	head, err := lockChain(ctx, tx, chain)
	if err != nil {
		return head, err
	}
	return a.pass(ctx, tx, chain, head)
}

// refuse lets change work on what a refused login counts in, and writes it.
func (a *appending) refuse(
	ctx context.Context, tx *sql.Tx, chain domain.Chain, refusal command.Refusal,
	change func(*domain.Attempts, *domain.Flood) error,
) error {
	key := command.FloodKey{Chain: chain, Minute: domain.FloodMinute(refusal.At)}
	attempts, err := lockAttempts(ctx, tx, refusal.Subject)
	if err != nil {
		return err
	}
	if a.inDoubt && len(a.events) == 0 && !attempts.UnderWay(refusal.Try) {
		return errSettled // it was only counted
	}
	if err := a.settle(ctx, tx); err != nil {
		return err
	}
	flood, _, err := lockFlood(ctx, tx, key)
	if err != nil {
		return err
	}
	if err := change(&attempts, &flood); err != nil {
		return err
	}
	if err := saveAttempts(ctx, tx, refusal.Subject, attempts); err != nil {
		return err
	}
	return saveFlood(ctx, tx, key, flood)
}
