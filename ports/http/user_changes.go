package http

import (
	"context"
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"helfy/app/command"
	"helfy/app/query"
	"helfy/domain"
)

type createUserInput struct {
	AuthInput
	IdempotentInput
	RawBody []byte
	Body    struct {
		Username string        `json:"username" maxLength:"1024" doc:"1 to 255 characters, unique without regard to case and accents"`
		Password domain.Secret `json:"password" doc:"12 to 256 characters, none that is easily guessed"`
		Role     domain.Role   `json:"role,omitempty" enum:"user,admin" default:"user"`
	}
}

type createdUserOutput struct {
	Location string `header:"Location"`
	Body     query.User
}

type changeUserInput struct {
	AuthInput
	IdempotentInput
	UserPath
	RawBody []byte
	Body    struct {
		Role     *domain.Role   `json:"role,omitempty" enum:"user,admin"`
		Status   *domain.Status `json:"status,omitempty" enum:"active,disabled" doc:"To disable ends all sessions"`
		Username *string        `json:"username,omitempty" maxLength:"1024"`
		Locked   *bool          `json:"locked,omitempty" doc:"false forgets failed logins"`
	}
}

type deleteUserInput struct {
	AuthInput
	IdempotentInput
	UserPath
}

func registerUserChanges(api huma.API, config Config, refusals []int) {
	ofUser := append(slices.Clone(refusals), http.StatusNotFound)
	huma.Register(api, huma.Operation{
		OperationID: "create-user", Method: http.MethodPost, Path: "/api/users", Summary: "Make a user",
		DefaultStatus: http.StatusCreated, MaxBodyBytes: maxBody, Errors: refusals,
	}, func(ctx context.Context, input *createUserInput) (*createdUserOutput, error) {
		by, err := input.requireAdmin(ctx, config)
		if err != nil {
			return nil, err
		}
		user, err := config.CreateUser.Handle(ctx, command.CreateUser{
			Username: input.Body.Username, Password: input.Body.Password, Role: input.Body.Role,
			Origin: originBy(ctx, by), Request: input.request(by, input.RawBody),
		})
		if err != nil {
			return nil, accountProblem(ctx, config, "password", "make a user", err)
		}
		return &createdUserOutput{Location: "/api/users/" + user.ID.String(), Body: user}, nil
	})
	huma.Register(api, huma.Operation{
		OperationID: "change-user", Method: http.MethodPatch, Path: "/api/users/{id}",
		Summary:      "Change one member of a user: its role, status or username, or unlock it",
		MaxBodyBytes: maxBody, Errors: ofUser,
	}, func(ctx context.Context, input *changeUserInput) (*userOutput, error) {
		by, err := input.requireAdmin(ctx, config)
		if err != nil {
			return nil, err
		}
		user, err := input.apply(ctx, config, by)
		if err != nil {
			return nil, err
		}
		return &userOutput{Body: user}, nil
	})
	huma.Register(api, huma.Operation{
		OperationID: "delete-user", Method: http.MethodDelete, Path: "/api/users/{id}", Summary: "Delete a user; its events stay",
		DefaultStatus: http.StatusNoContent, Errors: ofUser,
	}, func(ctx context.Context, input *deleteUserInput) (*struct{}, error) {
		by, err := input.requireAdmin(ctx, config)
		if err != nil {
			return nil, err
		}
		err = config.DeleteUser.Handle(ctx, command.DeleteUser{
			UserID: domain.UserID(input.ID), Origin: originBy(ctx, by), Request: input.request(by, nil),
		})
		if err != nil {
			return nil, accountProblem(ctx, config, "", "delete a user", err)
		}
		return nil, nil
	})
}

// apply makes the change that the body asks for.
func (i *changeUserInput) apply(ctx context.Context, config Config, by query.SignedIn) (query.User, error) {
	body, members := i.Body, 0
	for _, set := range []bool{body.Role != nil, body.Status != nil, body.Username != nil, body.Locked != nil} {
		if set {
			members++
		}
	}
	if members != 1 {
		return query.User{}, badRequest("body", "want exactly one of role, status, username and locked")
	}
	change := command.ChangeUser{
		UserID: domain.UserID(i.ID), Origin: originBy(ctx, by), Request: i.request(by, i.RawBody),
	}
	switch {
	case body.Role != nil:
		change.Role = *body.Role
	case body.Status != nil:
		change.Status = *body.Status
	case body.Username != nil:
		change.Username = *body.Username
	case *body.Locked:
		return query.User{}, badRequest("body.locked", "want false: only failed logins lock")
	default:
		change.Unlock = true
	}
	user, err := config.ChangeUser.Handle(ctx, change)
	if err != nil {
		return query.User{}, accountProblem(ctx, config, "", "change a user", err)
	}
	return user, nil
}
