package http

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"helfy/app/command"
	"helfy/app/query"
	"helfy/domain"
)

// AuthInput is embedded in the input of every operation that needs a session;
// it is exported because huma reads exported fields only.
type AuthInput struct {
	Authorization string `header:"Authorization" doc:"Bearer and the token of a session; it counts more than a cookie"`
	HostCookie    string `cookie:"__Host-helfy_session" doc:"Token of a session, over TLS"`
	PlainCookie   string `cookie:"helfy_session" doc:"Token of a session, over plain HTTP"`
}

// cookie returns the cookie that counts: over TLS only the one that no other
// host can have planted.
func (i AuthInput) cookie(ctx context.Context) string {
	if overTLS(ctx) {
		return i.HostCookie
	}
	return i.PlainCookie
}

// byCookie reports whether it is the cookie that the request signs in with.
func (i AuthInput) byCookie() bool { return i.Authorization == "" }

// signedIn returns the user whose token the request carries, or an answer of
// 401 or 503, or of 403 while the user's password must be changed.
func (i AuthInput) signedIn(ctx context.Context, config Config) (query.SignedIn, error) {
	user, err := i.identified(ctx, config)
	if err == nil && user.MustChangePassword {
		return query.SignedIn{}, huma.Error403Forbidden("the password must be changed first, by POST /api/password")
	}
	return user, err
}

// identified is signedIn for what a user may do before changing the password.
func (i AuthInput) identified(ctx context.Context, config Config) (query.SignedIn, error) {
	token, err := i.token(ctx)
	if err != nil {
		return query.SignedIn{}, err
	}
	user, err := config.Authenticate.Handle(ctx, token)
	var forged *query.ForgedError
	if errors.As(err, &forged) {
		err = reportForgery(ctx, config, forged)
	}
	switch {
	case err == nil:
		return user, nil
	case errors.Is(err, query.ErrNoSession):
		return query.SignedIn{}, unauthorized("the token belongs to no session")
	default:
		return query.SignedIn{}, unavailable(ctx, config.Log, "authenticate", err)
	}
}

// token returns what the request signs in with, or an answer of 401.
func (i AuthInput) token(ctx context.Context) (domain.Secret, error) {
	token := i.cookie(ctx)
	if !i.byCookie() {
		scheme, bearer, _ := strings.Cut(i.Authorization, " ")
		if !strings.EqualFold(scheme, "Bearer") || bearer == "" {
			return domain.Secret{}, unauthorized("Authorization is not Bearer and a token")
		}
		token = bearer
	}
	if token == "" {
		return domain.Secret{}, unauthorized("a Bearer token or the session's cookie is needed")
	}
	return domain.NewSecret(token), nil
}

// reportForgery records that a forged session was used, and returns
// query.ErrNoSession when that is done.
func reportForgery(ctx context.Context, config Config, forged *query.ForgedError) error {
	origin := originOf(ctx)
	origin.Actor = "anonymous"
	config.Log.ErrorContext(ctx, "forged session", "error", forged, "requestId", origin.RequestID)
	report := command.ReportForgery{UserID: forged.UserID, SessionID: forged.SessionID, Origin: origin}
	if err := config.ReportForgery.Handle(ctx, report); err != nil && !errors.Is(err, command.ErrUserNotFound) {
		return err
	}
	return query.ErrNoSession
}

// requireAdmin is signedIn for administrators only: others are answered 403.
func (i AuthInput) requireAdmin(ctx context.Context, config Config) (query.SignedIn, error) {
	user, err := i.signedIn(ctx, config)
	if err == nil && user.Role != domain.RoleAdmin {
		return query.SignedIn{}, huma.Error403Forbidden("this needs the role admin")
	}
	return user, err
}

// stillAdmin reports whether requireAdmin would let the request pass again,
// which is no use of the session: errNotAllowed if it would not, and another
// error if that is not known.
func (i AuthInput) stillAdmin(ctx context.Context, config Config) error {
	token, err := i.token(ctx)
	if err != nil {
		return errNotAllowed
	}
	user, err := config.Authenticate.Check(ctx, token)
	var forged *query.ForgedError
	switch {
	case errors.As(err, &forged), errors.Is(err, query.ErrNoSession):
		return errNotAllowed
	case err != nil:
		return err
	case user.MustChangePassword, user.Role != domain.RoleAdmin:
		return errNotAllowed
	}
	return nil
}

func unauthorized(detail string) error {
	return huma.ErrorWithHeaders(huma.Error401Unauthorized(detail), http.Header{"WWW-Authenticate": {"Bearer"}})
}
