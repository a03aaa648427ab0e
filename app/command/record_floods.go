package command

import (
	"context"
	"errors"
	"fmt"
	"time"

	"helfy/domain"
)

// floodGrace is how long after its minute a flood may still grow: a refusal
// may be under way, and other processes have other clocks.
const floodGrace = recordTimeout + 2*time.Second

// floodBatch bounds how many floods are looked up at once.
const floodBatch = 100

// FloodKey names the flood of one chain in one minute.
type FloodKey struct {
	Chain  domain.Chain
	Minute time.Time
}

// Floods stores floods of refused logins.
type Floods interface {
	// EndedFloods returns floods of minutes before a time, at most limit. Those
	// of which every refusal has its event are removed instead.
	EndedFloods(ctx context.Context, before time.Time, limit int) ([]FloodKey, error)
	// EndFlood locks the chain and the flood, stores what change makes of the
	// user and removes the flood, in one transaction. A flood that is gone
	// changes nothing; one of a user that is gone is removed.
	EndFlood(ctx context.Context, key FloodKey, id domain.UserID, change func(*domain.User, domain.Flood)) error
	// EndUnknownFlood is EndFlood for a chain that belongs to no user.
	EndUnknownFlood(ctx context.Context, key FloodKey, link func(domain.Head, domain.Flood) (domain.Event, domain.Head)) error
}

// RecordFloodsHandler records the refused logins that had no event of their
// own, one event for each chain and minute. Several may run at once.
type RecordFloodsHandler struct {
	Floods  Floods
	Keyring *domain.Keyring
	Now     func() time.Time
}

// Handle records all floods whose minute is over. Its errors are those of the
// database; a flood that could not be recorded holds no other one up.
func (h RecordFloodsHandler) Handle(ctx context.Context) error {
	var faults []error
	for {
		keys, err := h.Floods.EndedFloods(ctx, domain.FloodMinute(h.Now().Add(-floodGrace)), floodBatch)
		if err != nil {
			return errors.Join(append(faults, err)...)
		}
		for _, key := range keys {
			if err := h.record(ctx, key); err != nil {
				faults = append(faults, fmt.Errorf("record the flood of %s at %s: %w", key.Chain, key.Minute.Format(time.TimeOnly), err))
			}
		}
		if len(keys) < floodBatch || len(faults) > 0 || ctx.Err() != nil {
			return errors.Join(faults...)
		}
	}
}

func (h RecordFloodsHandler) record(ctx context.Context, key FloodKey) error {
	occurrence, err := newOccurrence(h.Now(), domain.Origin{}, actorSystem)
	if err != nil {
		return err
	}
	if id, ok := key.Chain.UserID(); ok {
		return h.Floods.EndFlood(ctx, key, id, func(user *domain.User, flood domain.Flood) {
			user.RecordFlood(flood, occurrence)
		})
	}
	return h.Floods.EndUnknownFlood(ctx, key, func(head domain.Head, flood domain.Flood) (domain.Event, domain.Head) {
		return domain.RecordUnknownFlood(h.Keyring, key.Chain, head, flood, occurrence)
	})
}
