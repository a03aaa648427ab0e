package http

import (
	"context"
	"errors"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"helfy/app/command"
	"helfy/domain"
)

type loginInput struct {
	Cookie bool `query:"cookie" doc:"For browsers: set the token as a cookie and leave it out of the answer"`
	Body   struct {
		Username string        `json:"username" maxLength:"1024" doc:"Name of the user, without regard to case and accents"`
		Password domain.Secret `json:"password" doc:"Password of the user"`
	}
}

type loginOutput struct {
	SetCookie []http.Cookie `header:"Set-Cookie"`
	Body      struct {
		Token    string `json:"token,omitempty" format:"uuid" doc:"Bearer token of the new session, absent when it is a cookie"`
		UserID   int64  `json:"userId"`
		Username string `json:"username"`

		PasswordChangeRequired bool `json:"passwordChangeRequired,omitempty" doc:"The session is for POST /api/password and nothing else"`
	}
}

func registerLogin(api huma.API, config Config) {
	huma.Register(api, huma.Operation{
		OperationID: "login", Method: http.MethodPost, Path: "/api/login", Summary: "Sign in",
		MaxBodyBytes: maxBody,
		Errors:       []int{http.StatusUnauthorized, http.StatusTooManyRequests, http.StatusServiceUnavailable},
	}, func(ctx context.Context, input *loginInput) (*loginOutput, error) {
		loggedIn, err := config.Login.Handle(ctx, command.Login{
			Username: input.Body.Username, Password: input.Body.Password, Origin: originOf(ctx),
		})
		if errors.Is(err, command.ErrInvalidCredentials) {
			return nil, huma.Error401Unauthorized("invalid username or password")
		}
		var limited *command.RateLimitedError
		if errors.As(err, &limited) {
			return nil, tooMany(limited)
		}
		if err != nil {
			return nil, unavailable(ctx, config.Log, "log in", err)
		}
		output := &loginOutput{}
		if input.Cookie {
			output.SetCookie = []http.Cookie{sessionCookie(ctx, loggedIn.Token, loggedIn.ExpiresAt)}
		} else {
			output.Body.Token = loggedIn.Token.Reveal()
		}
		output.Body.UserID = int64(loggedIn.UserID)
		output.Body.Username = loggedIn.Username
		output.Body.PasswordChangeRequired = loggedIn.MustChangePassword
		return output, nil
	})
}
