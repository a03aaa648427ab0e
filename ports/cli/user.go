package cli

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"helfy/app/command"
	"helfy/domain"
)

type userCommands struct {
	Create userCreate `cmd:"" help:"Make a user."`
	List   userList   `cmd:"" help:"List all users, a JSON line each."`

	Disable       userDisable       `cmd:"" help:"Refuse a user's logins and end its sessions."`
	Enable        userEnable        `cmd:"" help:"Let a disabled user sign in again."`
	Unlock        userUnlock        `cmd:"" help:"Forget a user's failed logins and end its lock."`
	SetRole       userSetRole       `cmd:"" help:"Give a user a role."`
	Rename        userRename        `cmd:"" help:"Give a user another name."`
	ResetPassword userResetPassword `cmd:"" help:"Set a user's password and end its sessions; the user must change it at the next login."`
	Delete        userDelete        `cmd:"" help:"Delete a user; its events stay."`
}

type userList struct{}

// Run implements the command.
func (userList) Run(s session) error {
	config, err := s.config(false)
	if err != nil {
		return err
	}
	users, err := config.ListUsers(s.ctx)
	if err != nil {
		return err
	}
	out := json.NewEncoder(s.stdout)
	for _, user := range users {
		if err := out.Encode(user); err != nil {
			return fmt.Errorf("print user %d: %w", user.ID, err)
		}
	}
	return nil
}

type userCreate struct {
	Username      string `required:"" help:"Name of the user."`
	Admin         bool   `help:"Give the role admin."`
	First         bool   `help:"Do nothing if there is a user already, of whatever name."`
	PasswordStdin bool   `required:"" xor:"password" help:"Read the password from the first line of standard input."`
	PasswordFile  string `required:"" xor:"password" type:"path" help:"Read it from the first line of a file."`
}

// maxPasswordLine bounds what is read from standard input, in bytes.
const maxPasswordLine = 4096

// Run implements the command.
func (u userCreate) Run(s session) error {
	config, err := s.config(true)
	if err != nil {
		return err
	}
	password, err := u.password(s.stdin)
	if err != nil {
		return err
	}
	if u.First {
		users, err := config.ListUsers(s.ctx)
		if err != nil {
			return err
		}
		if len(users) > 0 {
			return s.say("no user was made: there are %d", len(users))
		}
	}
	role := domain.RoleUser
	if u.Admin {
		role = domain.RoleAdmin
	}
	id, err := config.CreateUser(s.ctx, command.CreateUser{
		Username: u.Username, Password: password, Role: role, Origin: domain.Origin{Actor: "cli"},
	})
	if errors.Is(err, command.ErrUsernameTaken) && u.First {
		return s.say("user %s was made meanwhile", u.Username)
	}
	if err != nil {
		return err
	}
	return s.say("created user %s with id %d and role %s", u.Username, id, role)
}

func (u userCreate) password(stdin io.Reader) (password domain.Secret, err error) {
	if u.PasswordFile == "" {
		return readPassword(stdin)
	}
	file, err := os.Open(u.PasswordFile)
	if err != nil {
		return domain.Secret{}, fmt.Errorf("read password: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	return readPasswordFrom(file, u.PasswordFile)
}

func readPassword(stdin io.Reader) (domain.Secret, error) {
	return readPasswordFrom(stdin, "standard input")
}

func readPasswordFrom(r io.Reader, source string) (domain.Secret, error) {
	line, err := bufio.NewReader(io.LimitReader(r, maxPasswordLine+1)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return domain.Secret{}, fmt.Errorf("read password from %s: %w", source, err)
	}
	if len(line) > maxPasswordLine {
		return domain.Secret{}, fmt.Errorf("the first line of %s is longer than %d bytes", source, maxPasswordLine)
	}
	password := strings.TrimRight(line, "\r\n")
	if password == "" {
		return domain.Secret{}, fmt.Errorf("%s has no password on its first line", source)
	}
	return domain.NewSecret(password), nil
}
