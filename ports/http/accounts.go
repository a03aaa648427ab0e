package http

import (
	"context"

	"helfy/app/command"
	"helfy/app/query"
	"helfy/domain"
)

type (
	userLister interface {
		Handle(ctx context.Context, name string, after *domain.UserID, limit int) (query.UserPage, error)
	}
	userShower interface {
		Handle(context.Context, domain.UserID) (query.User, error)
	}
	userCreator interface {
		Handle(context.Context, command.CreateUser) (query.User, error)
	}
	userChanger interface {
		Handle(context.Context, command.ChangeUser) (query.User, error)
	}
	userDeleter interface {
		Handle(context.Context, command.DeleteUser) error
	}
	passwordChanger interface {
		Done(context.Context, domain.Request) (bool, error)
		Handle(context.Context, command.ChangePassword) error
	}
	passwordResetter interface {
		Handle(context.Context, command.ResetPassword) error
	}
)

// Accounts are the use cases of the management of accounts.
type Accounts struct {
	ListUsers      userLister
	ShowUser       userShower
	CreateUser     userCreator
	ChangeUser     userChanger
	DeleteUser     userDeleter
	ChangePassword passwordChanger
	ResetPassword  passwordResetter
}
