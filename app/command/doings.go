package command

import (
	"context"
	"time"

	"helfy/app/projection"
	"helfy/domain"
)

// Projections has things done to projections, by processes that may. Each
// method calls begin, unless it is refused, before it asks for anything;
// begin's error stops it. The errors are projection.ErrNoProjection,
// projection.ErrAtWork and those of the database and of Kafka.
type Projections interface {
	// Rebuild begins to make a projection anew and returns; by says who has
	// asked for it.
	Rebuild(ctx context.Context, name, by string, options projection.RebuildOptions, begin func(context.Context) error) error
	// Rollback makes the generation live that was so before, and returns it,
	// or projection.ErrNoGeneration.
	Rollback(ctx context.Context, name string, begin func(context.Context) error) (generation int, err error)
	// Retry tries a dead letter again, of one projection or, without a name,
	// of all that have it, or returns projection.ErrNoDeadLetter.
	Retry(ctx context.Context, name string, at projection.Place, begin func(context.Context) error) ([]projection.RetriedLetter, error)
}

// DoingsHandler does what administrators want done to projections, and records
// it. It is safe for concurrent use.
type DoingsHandler struct {
	Projections Projections
	Chains      Chains
	Keyring     *domain.Keyring
	Now         func() time.Time
}

// Admin is who does something.
type Admin struct {
	UserID   domain.UserID
	Username string
	Origin   domain.Origin
}

// Rebuild begins to make a projection anew. Its errors are those of
// Projections.Rebuild.
func (h DoingsHandler) Rebuild(ctx context.Context, admin Admin, name string, verify, acceptDiff bool) error {
	options := projection.RebuildOptions{VerifyOnly: verify, AcceptDifference: acceptDiff}
	begin := h.recorder(domain.ProjectionRebuild, admin, domain.Doing{Projection: name, Verify: verify, AcceptDiff: acceptDiff})
	return h.Projections.Rebuild(ctx, name, admin.Username, options, begin)
}

// Rollback makes the generation live that was so before, and returns it. Its
// errors are those of Projections.Rollback.
func (h DoingsHandler) Rollback(ctx context.Context, admin Admin, name string) (generation int, err error) {
	return h.Projections.Rollback(ctx, name, h.recorder(domain.ProjectionRollback, admin, domain.Doing{Projection: name}))
}

// Retry tries a dead letter again. Its errors are those of Projections.Retry.
func (h DoingsHandler) Retry(ctx context.Context, admin Admin, name string, at projection.Place) ([]projection.RetriedLetter, error) {
	return h.Projections.Retry(ctx, name, at, h.recorder(domain.DeadLetterRetry, admin, domain.Doing{Projection: name, Place: at.String()}))
}

// recorder returns what records a doing, once however often it is called.
func (h DoingsHandler) recorder(eventType domain.EventType, admin Admin, doing domain.Doing) func(context.Context) error {
	doing.UserID, doing.Username = admin.UserID, admin.Username
	occurrence, err := newOccurrence(h.Now(), admin.Origin, "user:"+admin.UserID.String())
	return func(ctx context.Context) error {
		if err != nil {
			return err
		}
		return h.Chains.Append(ctx, doing.Chain(), func(head domain.Head) (domain.Event, domain.Head) {
			return domain.Do(h.Keyring, head, eventType, doing, occurrence)
		})
	}
}
