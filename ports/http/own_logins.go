package http

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"helfy/app/query"
	"helfy/domain"
)

type ownLoginLister interface {
	Handle(ctx context.Context, user domain.UserID, before *query.AuditPosition, limit int) (query.OwnLoginPage, error)
}

type ownLoginsInput struct {
	AuthInput
	Limit  int    `query:"limit" minimum:"1" maximum:"500" default:"50" doc:"Greatest number of logins"`
	Cursor string `query:"cursor" maxLength:"2048" doc:"The next of the page before"`
}

type ownLoginsOutput struct {
	Body struct {
		Logins []ownLogin `json:"logins" doc:"Newest first"`
		Next   *string    `json:"next" doc:"Cursor of the next page, null at the end"`
	}
}

type ownLogin struct {
	ID        string           `json:"id"`
	At        time.Time        `json:"at" doc:"When it was committed"`
	EventType domain.EventType `json:"eventType" doc:"LOGIN_SUCCESS, LOGIN_FAILURE, LOGOUT, SESSION_REVOKED, SESSION_EXPIRED, USER_LOCKED or USER_UNLOCKED"`
	IP        string           `json:"ip,omitempty" doc:"Client's address; absent from what somebody else did"`
	UserAgent string           `json:"userAgent,omitempty"`
	SessionID string           `json:"sessionId,omitempty" doc:"The session that began or ended another, or itself"`
	Reason    string           `json:"reason,omitempty" doc:"Why a login was refused or a session expired"`
	Count     int              `json:"count,omitempty" doc:"How many refused logins share the event, if it is more than one"`
}

func registerOwnLogins(api huma.API, config Config) {
	huma.Register(api, huma.Operation{
		OperationID: "list-own-logins", Method: http.MethodGet, Path: "/api/me/logins", Summary: "My logins",
		Errors: []int{http.StatusUnauthorized, http.StatusServiceUnavailable},
	}, func(ctx context.Context, input *ownLoginsInput) (*ownLoginsOutput, error) {
		user, err := input.signedIn(ctx, config)
		if err != nil {
			return nil, err
		}
		before, err := parseCursor[query.AuditPosition](input.Cursor)
		if err != nil {
			return nil, badCursor()
		}
		page, err := config.ListOwnLogins.Handle(ctx, user.UserID, before, input.Limit)
		if err != nil {
			return nil, unavailable(ctx, config.Log, "list a user's logins", err)
		}
		output := &ownLoginsOutput{}
		output.Body.Logins = make([]ownLogin, len(page.Logins))
		for i, l := range page.Logins {
			output.Body.Logins[i] = ownLogin{l.ID, l.At, l.Type, l.IP, l.UserAgent, l.SessionID, l.Reason, l.Count}
		}
		output.Body.Next = formatCursor(page.Next)
		return output, nil
	})
}
