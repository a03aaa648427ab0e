package command

import (
	"context"
	"fmt"
	"time"

	"helfy/domain"
)

// Chains stores events that belong to no user.
type Chains interface {
	// Append stores the event that link makes for the locked head of a chain.
	// link may be called several times and must give the same event, by id,
	// each time. An event that is there already is not stored again.
	Append(ctx context.Context, chain domain.Chain, link func(domain.Head) (domain.Event, domain.Head)) error
}

// SchemaChangeHandler tells the audit trail of migrations, so that they are
// not taken for what somebody has typed into a SQL shell. It is safe for
// concurrent use.
type SchemaChangeHandler struct {
	Chains  Chains
	Keyring *domain.Keyring
	Now     func() time.Time
	Origin  domain.Origin
}

// Announce records that a migration is about to run.
func (h SchemaChangeHandler) Announce(ctx context.Context, change domain.SchemaChange) error {
	if err := h.record(ctx, domain.SchemaChangeAnnounced, change); err != nil {
		return fmt.Errorf("announce %s: %w", change.Migration, err)
	}
	return nil
}

// Done records that a migration has run, which ends its announcement.
func (h SchemaChangeHandler) Done(ctx context.Context, change domain.SchemaChange) error {
	change.SQL = ""
	if err := h.record(ctx, domain.SchemaChangeDone, change); err != nil {
		return fmt.Errorf("record that %s has run: %w", change.Migration, err)
	}
	return nil
}

func (h SchemaChangeHandler) record(ctx context.Context, kind domain.EventType, change domain.SchemaChange) error {
	occurrence, err := newOccurrence(h.Now(), h.Origin, h.Origin.Actor)
	if err != nil {
		return err
	}
	return h.Chains.Append(ctx, domain.ChainSchema, func(head domain.Head) (domain.Event, domain.Head) {
		return domain.ChangeSchema(h.Keyring, head, kind, change, occurrence)
	})
}
