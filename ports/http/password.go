package http

import (
	"context"
	"errors"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"helfy/app/command"
	"helfy/app/query"
	"helfy/domain"
)

type changePasswordInput struct {
	AuthInput
	IdempotentInput
	RawBody []byte
	Body    struct {
		OldPassword domain.Secret `json:"oldPassword"`
		NewPassword domain.Secret `json:"newPassword" doc:"12 to 256 characters, none that is easily guessed, and not the old one"`
	}
}

type resetPasswordInput struct {
	AuthInput
	IdempotentInput
	UserPath
	RawBody []byte
	Body    struct {
		NewPassword domain.Secret `json:"newPassword" doc:"12 to 256 characters, none that is easily guessed, and not the old one"`
	}
}

// again answers a request whose sender has no session, as refused says, unless
// it is the one that has ended the session, sent again.
func (i changePasswordInput) again(ctx context.Context, config Config, refused error) (*endedOutput, error) {
	token, err := i.token(ctx)
	if err != nil || i.IdempotencyKey == "" {
		return nil, refused
	}
	by, err := config.Authenticate.Revoked(ctx, token)
	var forged *query.ForgedError // reported before
	switch {
	case errors.Is(err, query.ErrNoSession), errors.As(err, &forged):
		return nil, refused
	case err != nil:
		return nil, unavailable(ctx, config.Log, "authenticate", err)
	}
	done, err := config.ChangePassword.Done(ctx, i.request(by, i.RawBody))
	switch {
	case err != nil:
		return nil, accountProblem(ctx, config, "newPassword", "change a password", err)
	case !done:
		return nil, refused
	}
	return i.ended(ctx), nil
}

func registerPasswords(api huma.API, config Config) {
	refusals := []int{
		http.StatusUnauthorized, http.StatusForbidden, http.StatusUnprocessableEntity, http.StatusServiceUnavailable,
	}
	huma.Register(api, huma.Operation{
		OperationID: "change-password", Method: http.MethodPost, Path: "/api/password",
		Summary:       "Change my password and end all my sessions, this one too",
		DefaultStatus: http.StatusNoContent, MaxBodyBytes: maxBody, Errors: append(refusals, http.StatusTooManyRequests),
	}, func(ctx context.Context, input *changePasswordInput) (*endedOutput, error) {
		by, err := input.identified(ctx, config)
		if err != nil {
			return input.again(ctx, config, err)
		}
		err = config.ChangePassword.Handle(ctx, command.ChangePassword{
			UserID: by.UserID, OldPassword: input.Body.OldPassword, NewPassword: input.Body.NewPassword,
			Origin: originBy(ctx, by), Request: input.request(by, input.RawBody),
		})
		var limited *command.RateLimitedError
		switch {
		case err == nil:
			return input.ended(ctx), nil
		case errors.Is(err, command.ErrWrongPassword):
			return nil, huma.Error403Forbidden(command.ErrWrongPassword.Error())
		case errors.As(err, &limited):
			return nil, tooMany(limited)
		default:
			return nil, accountProblem(ctx, config, "newPassword", "change a password", err)
		}
	})
	huma.Register(api, huma.Operation{
		OperationID: "reset-password", Method: http.MethodPost, Path: "/api/users/{id}/password",
		Summary:       "Set a user's password, end all its sessions and make it change the password at its next login",
		DefaultStatus: http.StatusNoContent, MaxBodyBytes: maxBody, Errors: append(refusals, http.StatusNotFound),
	}, func(ctx context.Context, input *resetPasswordInput) (*struct{}, error) {
		by, err := input.requireAdmin(ctx, config)
		if err != nil {
			return nil, err
		}
		err = config.ResetPassword.Handle(ctx, command.ResetPassword{
			UserID: domain.UserID(input.ID), NewPassword: input.Body.NewPassword,
			Origin: originBy(ctx, by), Request: input.request(by, input.RawBody),
		})
		if err != nil {
			return nil, accountProblem(ctx, config, "newPassword", "reset a password", err)
		}
		return nil, nil
	})
}
