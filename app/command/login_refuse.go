package command

import (
	"context"

	"helfy/domain"
)

// refuse records a refused login of a user and returns a RefusedError,
// or the database's error.
func (h LoginHandler) refuse(ctx context.Context, t try) error {
	occurrence, err := newOccurrence(h.Now(), t.Origin, anonymousActor)
	if err != nil {
		return err
	}
	locking, err := newOccurrence(occurrence.At, t.Origin, anonymousActor)
	if err != nil {
		return err
	}
	refusal := Refusal{Subject: t.subject, Try: t.id, At: occurrence.At}
	err = h.Logins.Refuse(ctx, t.account.ID, refusal, func(user *domain.User, attempts *domain.Attempts, flood *domain.Flood) {
		locks := h.count(t, attempts, occurrence)
		if flood.Take(occurrence.At, t.reason, h.FloodThreshold) {
			user.FailLogin(t.reason, occurrence)
		}
		if locks {
			user.Lock(*attempts, t.network, locking)
		}
	})
	if err != nil {
		return err
	}
	h.log(ctx, domain.LoginFailure, t.account.ID, t.Origin)
	return RefusedError{Reason: t.reason}
}

// refuseUnknown is refuse for a name that nobody has. Its lock is no event.
func (h LoginHandler) refuseUnknown(ctx context.Context, t try) error {
	occurrence, err := newOccurrence(h.Now(), t.Origin, anonymousActor)
	if err != nil {
		return err
	}
	refusal := Refusal{Subject: t.subject, Try: t.id, At: occurrence.At}
	err = h.Logins.RefuseUnknown(ctx, t.unknown.Chain, refusal,
		func(head domain.Head, attempts *domain.Attempts, flood *domain.Flood) ([]domain.Event, domain.Head) {
			h.count(t, attempts, occurrence)
			if !flood.Take(occurrence.At, t.reason, h.FloodThreshold) {
				return nil, head
			}
			event, head := domain.FailUnknownLogin(h.Keyring, head, *t.unknown, occurrence)
			return []domain.Event{event}, head
		})
	if err != nil {
		return err
	}
	h.log(ctx, domain.LoginFailure, 0, t.Origin)
	return RefusedError{Reason: t.reason}
}

// count ends the try among those of its subject and reports whether that
// locks it.
func (h LoginHandler) count(t try, attempts *domain.Attempts, occurrence domain.Occurrence) (locks bool) {
	if t.reason.Counts() {
		return attempts.Fail(t.id, occurrence.At, h.Policy)
	}
	attempts.Release(t.id)
	return false
}

const anonymousActor = "anonymous"

// anonymous is the same occurrence without a known actor.
func anonymous(occurrence domain.Occurrence) domain.Occurrence {
	occurrence.Origin.Actor = anonymousActor
	return occurrence
}
