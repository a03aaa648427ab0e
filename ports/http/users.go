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

type listUsersInput struct {
	AuthInput
	Limit  int    `query:"limit" minimum:"1" maximum:"500" default:"50" doc:"Greatest number of users"`
	Cursor string `query:"cursor" maxLength:"64" doc:"The next of the page before"`
	User   string `query:"user" maxLength:"255" doc:"Username, without regard to case and accents"`
}

type listUsersOutput struct {
	Body struct {
		Users []query.User `json:"users" doc:"By id"`
		Next  *string      `json:"next" doc:"Cursor of the next page, null at the end"`
	}
}

type userInput struct {
	AuthInput
	UserPath
}

// UserPath is the user that a path names. It is exported because huma reads
// exported fields only.
type UserPath struct {
	ID int64 `path:"id" minimum:"1" doc:"User"`
}

type userOutput struct{ Body query.User }

func registerUsers(api huma.API, config Config) {
	refusals := []int{http.StatusUnauthorized, http.StatusForbidden, http.StatusServiceUnavailable}
	huma.Register(api, huma.Operation{
		OperationID: "list-users", Method: http.MethodGet, Path: "/api/users", Summary: "List users", Errors: refusals,
	}, func(ctx context.Context, input *listUsersInput) (*listUsersOutput, error) {
		if _, err := input.requireAdmin(ctx, config); err != nil {
			return nil, err
		}
		after, err := parseCursor[domain.UserID](input.Cursor)
		if err != nil {
			return nil, badCursor()
		}
		page, err := config.ListUsers.Handle(ctx, input.User, after, input.Limit)
		if err != nil {
			return nil, unavailable(ctx, config.Log, "list users", err)
		}
		output := &listUsersOutput{}
		output.Body.Users, output.Body.Next = page.Users, formatCursor(page.Next)
		return output, nil
	})
	huma.Register(api, huma.Operation{
		OperationID: "show-user", Method: http.MethodGet, Path: "/api/users/{id}", Summary: "Read a user",
		Errors: append(refusals, http.StatusNotFound),
	}, func(ctx context.Context, input *userInput) (*userOutput, error) {
		if _, err := input.requireAdmin(ctx, config); err != nil {
			return nil, err
		}
		user, err := config.ShowUser.Handle(ctx, domain.UserID(input.ID))
		if errors.Is(err, query.ErrNoUser) {
			return nil, huma.Error404NotFound(err.Error())
		}
		if err != nil {
			return nil, unavailable(ctx, config.Log, "read a user", err)
		}
		return &userOutput{Body: user}, nil
	})
	registerUserChanges(api, config, append(refusals, http.StatusConflict, http.StatusUnprocessableEntity))
}

// originBy is originOf a request of somebody who is signed in.
func originBy(ctx context.Context, by query.SignedIn) domain.Origin {
	origin := originOf(ctx)
	origin.Actor, origin.SessionID = "user:"+by.UserID.String(), by.SessionID
	return origin
}

func badRequest(location, message string) error {
	return huma.Error400BadRequest("validation failed", &huma.ErrorDetail{Message: message, Location: location})
}

// accountProblem answers for what a change of a user was refused for. member
// is the one of the body that a password or a name stands in.
func accountProblem(ctx context.Context, config Config, member, doing string, err error) error {
	switch {
	case errors.Is(err, command.ErrUserNotFound):
		return huma.Error404NotFound("no such user")
	case errors.Is(err, command.ErrUsernameTaken):
		return huma.Error409Conflict("somebody has the username")
	case errors.Is(err, domain.ErrLastAdmin):
		return huma.Error409Conflict(domain.ErrLastAdmin.Error())
	case errors.Is(err, command.ErrKeyReused):
		return unprocessable(command.ErrKeyReused.Error())
	case errors.Is(err, domain.ErrWeakPassword):
		return badRequest("body."+member, err.Error())
	case errors.Is(err, domain.ErrInvalidUsername):
		return badRequest("body.username", err.Error())
	case errors.Is(err, command.ErrSessionNotFound):
		return unauthorized("the token belongs to no session")
	default:
		return unavailable(ctx, config.Log, doing, err)
	}
}
