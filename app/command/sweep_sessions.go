package command

import (
	"context"
	"errors"
	"fmt"
	"time"

	"helfy/domain"
)

// SweptSessions finds and changes sessions that are to be ended.
type SweptSessions interface {
	// Expired returns at most limit sessions that are not revoked and have
	// expired for a reason by the time until, the longest expired first,
	// behind after: the zero Session for the first ones. For
	// domain.ExpiredIdle until is the last use that is too long ago.
	Expired(ctx context.Context, reason domain.ExpiryReason, until time.Time, after domain.Session, limit int) ([]domain.Session, error)
	// UpdateNamed is Users.Update for a change that needs sessions of the user
	// by their ids: those that are there, in any state.
	UpdateNamed(ctx context.Context, id domain.UserID, sessions []string, change func(*domain.User, []domain.Session) error) error
	// RemoveOrphans removes sessions of a user who does not exist.
	RemoveOrphans(ctx context.Context, user domain.UserID) error
	// RemoveRevoked removes at most limit sessions that were revoked before
	// a time, and returns how many.
	RemoveRevoked(ctx context.Context, before time.Time, limit int) (int, error)
}

const (
	sweepBatch = 100
	// maxSweepBatches bounds one sweep; the next one goes on.
	maxSweepBatches = 100
	// keepRevoked is how long sessions are kept after their end.
	keepRevoked = 30 * 24 * time.Hour
	removeBatch = 1000
)

// errNothingToDo ends a transaction that found its work done by another one.
var errNothingToDo = errors.New("nothing to do")

// SweepSessionsHandler ends the sessions that have expired, each with one
// event, also when several sweep at once. It is safe for concurrent use.
type SweepSessionsHandler struct {
	Sessions SweptSessions
	Forgery  ReportForgeryHandler
	Keyring  *domain.Keyring
	Now      func() time.Time
	// Idle is how long a session lasts without use, 0 for no such bound.
	Idle time.Duration
}

// Handle sweeps once. What could not be ended is in its error and is tried
// again by the next sweep; it keeps no other session from being ended.
func (h SweepSessionsHandler) Handle(ctx context.Context) error {
	now := h.Now()
	faults := []error{h.sweep(ctx, domain.ExpiredAbsolute, now)}
	if h.Idle > 0 {
		faults = append(faults, h.sweep(ctx, domain.ExpiredIdle, now.Add(-h.Idle)))
	}
	return errors.Join(append(faults, h.removeRevoked(ctx, now.Add(-keepRevoked)))...)
}

func (h SweepSessionsHandler) sweep(ctx context.Context, reason domain.ExpiryReason, until time.Time) error {
	var faults []error
	var last domain.Session
	for range maxSweepBatches {
		sessions, err := h.Sessions.Expired(ctx, reason, until, last, sweepBatch)
		if err != nil {
			return errors.Join(append(faults, fmt.Errorf("look for expired sessions: %w", err))...)
		}
		expired := map[domain.UserID][]string{}
		for _, session := range sessions {
			if session.Genuine(h.Keyring) {
				expired[session.UserID] = append(expired[session.UserID], session.ID)
			} else if err := h.reportForgery(ctx, session); err != nil {
				faults = append(faults, err)
			}
		}
		for user, ids := range expired {
			if err := h.expire(ctx, reason, user, ids); err != nil {
				faults = append(faults, err)
			}
		}
		if len(sessions) < sweepBatch || ctx.Err() != nil {
			break
		}
		last = sessions[len(sessions)-1]
	}
	return errors.Join(faults...)
}

// expire ends those of a user's sessions that nobody has ended or used since
// they were found.
func (h SweepSessionsHandler) expire(ctx context.Context, reason domain.ExpiryReason, id domain.UserID, sessions []string) error {
	ctx, cancel := context.WithTimeout(ctx, recordTimeout)
	defer cancel()
	occurrence, err := newOccurrence(h.Now(), domain.Origin{}, actorSystem)
	if err != nil {
		return err
	}
	err = h.Sessions.UpdateNamed(ctx, id, sessions, func(user *domain.User, found []domain.Session) error {
		var ending []domain.Session
		for _, session := range found {
			if session.Genuine(h.Keyring) && session.RevokedAt.IsZero() && session.Expired(occurrence.At, h.Idle) == reason {
				ending = append(ending, session)
			}
		}
		if len(ending) == 0 {
			return errNothingToDo
		}
		user.ExpireSessions(reason, ending, occurrence)
		return nil
	})
	return h.settle(ctx, id, err)
}

func (h SweepSessionsHandler) reportForgery(ctx context.Context, session domain.Session) error {
	ctx, cancel := context.WithTimeout(ctx, recordTimeout)
	defer cancel()
	err := h.Forgery.Handle(ctx, ReportForgery{
		UserID: session.UserID, SessionID: session.ID, Origin: domain.Origin{Actor: actorSystem},
	})
	return h.settle(ctx, session.UserID, err)
}

// settle returns what is wrong when a session could not be ended.
func (h SweepSessionsHandler) settle(ctx context.Context, user domain.UserID, err error) error {
	switch {
	case errors.Is(err, errNothingToDo):
		return nil
	case errors.Is(err, ErrUserNotFound):
		return h.Sessions.RemoveOrphans(ctx, user)
	default:
		return err
	}
}

func (h SweepSessionsHandler) removeRevoked(ctx context.Context, before time.Time) error {
	for range maxSweepBatches {
		removed, err := h.Sessions.RemoveRevoked(ctx, before, removeBatch)
		if err != nil || removed < removeBatch {
			return err
		}
	}
	return nil
}
