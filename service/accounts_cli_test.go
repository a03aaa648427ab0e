package service_test

import (
	"strings"
	"testing"

	"helfy/domain"
	"helfy/internal/stack"
)

func TestUsersAreManagedAtTheTerminal(t *testing.T) {
	config := stack.New(t)
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	stack.AddUser(t, config, "bob", domain.RoleUser)
	for _, test := range []struct {
		stdin, args string
		code        int
		says        string
	}{
		{"", "disable --username bob", 0, "user bob is disabled"},
		{"", "enable --username BOB", 0, "user BOB is active"},
		{"", "unlock --username bob", 0, "user bob is not locked"},
		{"", "set-role --username bob --role admin", 0, "user bob has the role admin"},
		{"", "set-role --username bob --role root", 80, "must be one of"},
		{"", "set-role --username bob --role user", 0, "user bob has the role user"},
		{"", "rename --username bob --to admin", 1, "user bob: "},
		{"", "rename --username bob --to robert", 0, "user bob is robert"},
		{strong, "reset-password --username robert --password-stdin", 0, "user robert must change the password"},
		{"planted-pw1", "reset-password --username robert --password-stdin", 1, "user robert: password is too weak"},
		{"", "reset-password --username robert --password-stdin", 1, "no password on its first line"},
		{"", "delete --username robert", 0, "user robert is deleted"},
		{"", "delete --username robert", 1, "user robert: no such user"},
		{"", "delete --username admin", 1, "user admin: "},
	} {
		code, stdout, stderr := typed(t, config, test.stdin, append([]string{"user"}, strings.Fields(test.args)...)...)
		if said := stdout + stderr; code != test.code || !strings.Contains(said, test.says) || strings.Contains(said, "planted") {
			t.Errorf("%s: exit code %d, %s", test.args, code, said)
		}
	}
	var actors int
	err := stack.DB(t, config).QueryRowContext(t.Context(), `
		SELECT COUNT(*) FROM outbox WHERE metadata = '{"actor":"cli"}'`).Scan(&actors)
	if err != nil || actors != 7 {
		t.Errorf("%d events of the terminal, want 7, %v", actors, err)
	}
	requireUnbrokenChains(t, config)
}
