package command

import (
	"context"
	"errors"
	"time"

	"helfy/domain"
)

// ReportForgery says that a session is not genuine.
type ReportForgery struct {
	UserID    domain.UserID
	SessionID string
	// Origin is the request that used it; its Actor must be set.
	Origin domain.Origin
}

// ReportForgeryHandler removes forged sessions. It is safe for concurrent use.
type ReportForgeryHandler struct {
	Sessions SweptSessions
	Keyring  *domain.Keyring
	Now      func() time.Time
}

// Handle removes the session and records it as an event, in one transaction,
// so that it is reported once however often it is used. Its errors are those
// of SweptSessions.UpdateNamed.
func (h ReportForgeryHandler) Handle(ctx context.Context, report ReportForgery) error {
	occurrence, err := newOccurrence(h.Now(), report.Origin, report.Origin.Actor)
	if err != nil {
		return err
	}
	err = h.Sessions.UpdateNamed(ctx, report.UserID, []string{report.SessionID}, func(user *domain.User, found []domain.Session) error {
		if len(found) == 0 || found[0].Genuine(h.Keyring) {
			return errNothingToDo
		}
		user.ReportForgery(found[0], occurrence)
		return nil
	})
	if errors.Is(err, errNothingToDo) {
		return nil
	}
	return err
}
