package service

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"helfy/adapters/tidb"
	"helfy/app/command"
	"helfy/app/query"
	"helfy/domain"
	httpport "helfy/ports/http"
)

// userPage is how many users are read at once.
const userPage = 500

// accounts returns the use cases of the management of accounts.
func (c Config) accounts(db *sql.DB, users *tidb.Users, hasher command.Hasher, keyring *domain.Keyring, log *slog.Logger) httpport.Accounts {
	list := tidb.NewUserList(db)
	return httpport.Accounts{
		ListUsers:  query.ListUsers{Users: list, Now: time.Now},
		ShowUser:   query.ShowUser{Users: list, Now: time.Now},
		CreateUser: command.CreateUserHandler{Accounts: users, Hasher: hasher, Keyring: keyring, Now: time.Now},
		ChangeUser: command.ChangeUserHandler{Accounts: users, Now: time.Now},
		DeleteUser: command.DeleteUserHandler{Accounts: users, Now: time.Now},
		ChangePassword: command.ChangePasswordHandler{
			Accounts: users, Tries: users, Hasher: hasher, Keyring: keyring, Log: log, Now: time.Now, Policy: c.lockPolicy(),
		},
		ResetPassword: command.ResetPasswordHandler{Accounts: users, Hasher: hasher, Keyring: keyring, Now: time.Now},
	}
}

// ListUsers returns all users by id.
func (c Config) ListUsers(ctx context.Context) (users []query.User, err error) {
	db, err := tidb.Open(c.tidb())
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	list := query.ListUsers{Users: tidb.NewUserList(db), Now: time.Now}
	for page := (query.UserPage{Next: new(domain.UserID)}); page.Next != nil; {
		if page, err = list.Handle(ctx, "", page.Next, userPage); err != nil {
			return nil, err
		}
		users = append(users, page.Users...)
	}
	return users, nil
}

// CreateUser makes a user and returns its id.
func (c Config) CreateUser(ctx context.Context, create command.CreateUser) (id domain.UserID, err error) {
	err = c.withUsers(func(_ *sql.DB, users *tidb.Users, keyring *domain.Keyring) error {
		hasher, err := c.newHasher()
		if err != nil {
			return err
		}
		create.AllowWeakPassword = c.Dev
		handler := command.CreateUserHandler{Accounts: users, Hasher: hasher, Keyring: keyring, Now: time.Now}
		user, err := handler.Handle(ctx, create)
		id = user.ID
		return err
	})
	return id, err
}

// ChangeUser makes a change of the user of a name, on behalf of whoever is at
// the terminal.
func (c Config) ChangeUser(ctx context.Context, username string, change command.ChangeUser) error {
	return c.withUser(ctx, username, func(id domain.UserID, users *tidb.Users, _ *domain.Keyring) error {
		change.UserID, change.Origin = id, atTerminal
		_, err := command.ChangeUserHandler{Accounts: users, Now: time.Now}.Handle(ctx, change)
		return err
	})
}

// DeleteUser is ChangeUser for the end of the user.
func (c Config) DeleteUser(ctx context.Context, username string) error {
	return c.withUser(ctx, username, func(id domain.UserID, users *tidb.Users, _ *domain.Keyring) error {
		return command.DeleteUserHandler{Accounts: users, Now: time.Now}.Handle(ctx, command.DeleteUser{UserID: id, Origin: atTerminal})
	})
}

// ResetPassword is ChangeUser for the password, which the user must then
// change.
func (c Config) ResetPassword(ctx context.Context, username string, password domain.Secret) error {
	return c.withUser(ctx, username, func(id domain.UserID, users *tidb.Users, keyring *domain.Keyring) error {
		hasher, err := c.newHasher()
		if err != nil {
			return err
		}
		handler := command.ResetPasswordHandler{Accounts: users, Hasher: hasher, Keyring: keyring, Now: time.Now}
		return handler.Handle(ctx, command.ResetPassword{UserID: id, NewPassword: password, Origin: atTerminal})
	})
}

// atTerminal is the origin of what the command line does.
var atTerminal = domain.Origin{Actor: "cli"}

// withUser finds the user of a name and lets do work on it.
func (c Config) withUser(ctx context.Context, username string, do func(domain.UserID, *tidb.Users, *domain.Keyring) error) error {
	name, err := domain.NewUsername(username)
	if err != nil {
		return err
	}
	return c.withUsers(func(db *sql.DB, users *tidb.Users, keyring *domain.Keyring) error {
		found, err := tidb.NewUserList(db).List(ctx, name.String(), 0, 1, time.Now())
		if err == nil && len(found) == 0 {
			err = command.ErrUserNotFound
		}
		if err == nil {
			err = do(found[0].ID, users, keyring)
		}
		if err != nil {
			return fmt.Errorf("user %s: %w", name, err)
		}
		return nil
	})
}

// withUsers opens the database for a command.
func (c Config) withUsers(do func(*sql.DB, *tidb.Users, *domain.Keyring) error) (err error) {
	keyring, err := c.readKeyring()
	if err != nil {
		return err
	}
	db, err := tidb.Open(c.tidb())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return do(db, tidb.NewUsers(db, keyring), keyring)
}
