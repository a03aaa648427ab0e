package http

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"helfy/app/command"
	"helfy/domain"
)

type meOutput struct {
	Body struct {
		UserID    int64       `json:"userId"`
		Username  string      `json:"username"`
		Role      domain.Role `json:"role" enum:"user,admin"`
		SessionID string      `json:"sessionId" format:"uuid"`

		PasswordChangeRequired bool `json:"passwordChangeRequired,omitempty" doc:"The session is for POST /api/password and nothing else"`
	}
}

type logoutInput struct {
	AuthInput
	All bool `query:"all" doc:"End all sessions of the user, not only this one"`
}

type sessionsOutput struct {
	Body struct {
		Sessions []sessionEntry `json:"sessions" doc:"Newest first"`
	}
}

type sessionEntry struct {
	ID         string    `json:"id" format:"uuid"`
	IssuedAt   time.Time `json:"issuedAt"`
	ExpiresAt  time.Time `json:"expiresAt"`
	LastSeenAt time.Time `json:"lastSeenAt" doc:"To the minute"`
	Current    bool      `json:"current" doc:"The session that asks"`
}

// endedOutput makes a browser forget a session that has ended.
type endedOutput struct {
	SetCookie []http.Cookie `header:"Set-Cookie"`
}

type endSessionInput struct {
	AuthInput
	ID string `path:"id" format:"uuid" doc:"Session"`
}

func registerSessions(api huma.API, config Config) {
	refusals := []int{http.StatusUnauthorized, http.StatusServiceUnavailable}
	huma.Register(api, huma.Operation{
		OperationID: "me", Method: http.MethodGet, Path: "/api/me", Summary: "Who I am", Errors: refusals,
	}, func(ctx context.Context, input *AuthInput) (*meOutput, error) {
		user, err := input.identified(ctx, config)
		if err != nil {
			return nil, err
		}
		output := &meOutput{}
		output.Body.UserID, output.Body.Username = int64(user.UserID), user.Username
		output.Body.Role, output.Body.SessionID = user.Role, user.SessionID
		output.Body.PasswordChangeRequired = user.MustChangePassword
		return output, nil
	})
	huma.Register(api, huma.Operation{
		OperationID: "logout", Method: http.MethodPost, Path: "/api/logout", Summary: "Sign out",
		DefaultStatus: http.StatusNoContent, Errors: refusals,
	}, func(ctx context.Context, input *logoutInput) (*endedOutput, error) {
		user, err := input.identified(ctx, config)
		if err != nil {
			return nil, err
		}
		end := command.EndSessions{UserID: user.UserID, SessionID: user.SessionID, Own: user.SessionID, Origin: originOf(ctx)}
		if input.All {
			end.SessionID = ""
		}
		return endSessions(ctx, config, input.AuthInput, end)
	})
	huma.Register(api, huma.Operation{
		OperationID: "list-sessions", Method: http.MethodGet, Path: "/api/sessions", Summary: "My sessions", Errors: refusals,
	}, func(ctx context.Context, input *AuthInput) (*sessionsOutput, error) {
		user, err := input.signedIn(ctx, config)
		if err != nil {
			return nil, err
		}
		live, err := config.ListSessions.Handle(ctx, user.UserID)
		if err != nil {
			return nil, unavailable(ctx, config.Log, "list sessions", err)
		}
		output := &sessionsOutput{}
		output.Body.Sessions = make([]sessionEntry, len(live))
		for i, s := range live {
			output.Body.Sessions[i] = sessionEntry{s.ID, s.IssuedAt, s.ExpiresAt, s.LastSeenAt, s.ID == user.SessionID}
		}
		return output, nil
	})
	huma.Register(api, huma.Operation{
		OperationID: "end-session", Method: http.MethodDelete, Path: "/api/sessions/{id}", Summary: "End one of my sessions",
		DefaultStatus: http.StatusNoContent, Errors: append(refusals, http.StatusNotFound),
	}, func(ctx context.Context, input *endSessionInput) (*endedOutput, error) {
		user, err := input.signedIn(ctx, config)
		if err != nil {
			return nil, err
		}
		return endSessions(ctx, config, input.AuthInput, command.EndSessions{
			UserID: user.UserID, SessionID: input.ID, Own: user.SessionID, Origin: originOf(ctx),
		})
	})
}

func endSessions(ctx context.Context, config Config, auth AuthInput, end command.EndSessions) (*endedOutput, error) {
	err := config.EndSessions.Handle(ctx, end)
	own := end.SessionID == "" || end.SessionID == end.Own
	switch {
	case err == nil && own:
		return auth.ended(ctx), nil
	case err == nil:
		return &endedOutput{}, nil
	case errors.Is(err, command.ErrSessionNotFound) && own:
		return auth.ended(ctx), nil // by another request, in this moment
	case errors.Is(err, command.ErrSessionNotFound):
		return nil, huma.Error404NotFound("you have no such session")
	default:
		return nil, unavailable(ctx, config.Log, "end sessions", err)
	}
}

// ended answers for the end of the session that asks.
func (i AuthInput) ended(ctx context.Context) *endedOutput {
	if !i.byCookie() {
		return &endedOutput{}
	}
	return &endedOutput{SetCookie: []http.Cookie{emptyCookie(ctx)}}
}
