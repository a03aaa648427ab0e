package cli

import (
	"helfy/app/command"
	"helfy/domain"
)

// account is the user that a command works on.
type account struct {
	Username string `required:"" help:"Name of the user."`
}

// change makes a change of the user and says what holds then.
func (a account) change(s session, change command.ChangeUser, outcome string) error {
	config, err := s.config(true)
	if err != nil {
		return err
	}
	if err := config.ChangeUser(s.ctx, a.Username, change); err != nil {
		return err
	}
	return s.say("user %s %s", a.Username, outcome)
}

type userDisable struct{ account }

// Run implements the command.
func (u userDisable) Run(s session) error {
	return u.change(s, command.ChangeUser{Status: domain.StatusDisabled}, "is disabled")
}

type userEnable struct{ account }

// Run implements the command.
func (u userEnable) Run(s session) error {
	return u.change(s, command.ChangeUser{Status: domain.StatusActive}, "is active")
}

type userUnlock struct{ account }

// Run implements the command.
func (u userUnlock) Run(s session) error {
	return u.change(s, command.ChangeUser{Unlock: true}, "is not locked")
}

type userSetRole struct {
	account
	Role domain.Role `required:"" enum:"user,admin" help:"One of ${enum}."`
}

// Run implements the command.
func (u userSetRole) Run(s session) error {
	return u.change(s, command.ChangeUser{Role: u.Role}, "has the role "+string(u.Role))
}

type userRename struct {
	account
	To string `required:"" help:"The other name."`
}

// Run implements the command.
func (u userRename) Run(s session) error {
	return u.change(s, command.ChangeUser{Username: u.To}, "is "+u.To)
}

type userResetPassword struct {
	account
	PasswordStdin bool `required:"" help:"Read the password from the first line of standard input."`
}

// Run implements the command.
func (u userResetPassword) Run(s session) error {
	config, err := s.config(true)
	if err != nil {
		return err
	}
	password, err := readPassword(s.stdin)
	if err != nil {
		return err
	}
	if err := config.ResetPassword(s.ctx, u.Username, password); err != nil {
		return err
	}
	return s.say("user %s must change the password at the next login", u.Username)
}

type userDelete struct{ account }

// Run implements the command.
func (u userDelete) Run(s session) error {
	config, err := s.config(true)
	if err != nil {
		return err
	}
	if err := config.DeleteUser(s.ctx, u.Username); err != nil {
		return err
	}
	return s.say("user %s is deleted", u.Username)
}
