package service_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"helfy/domain"
	"helfy/internal/stack"
	"helfy/ports/cli"
	"helfy/service"
)

// helfy runs a command line with a configuration as its environment.
func helfy(t *testing.T, config service.Config, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	return typed(t, config, "", args...)
}

// typed is helfy with something on its standard input.
func typed(t *testing.T, config service.Config, stdin string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = cli.Main(t.Context(), args, stack.Environ(config), strings.NewReader(stdin), &out, &errs)
	return code, out.String(), errs.String()
}

func TestTheCommandListsFindings(t *testing.T) {
	config := stack.New(t)
	if code, stdout, stderr := helfy(t, config, "audit", "findings"); code != 0 || stdout != "0 findings; the log is not verified yet\n" {
		t.Errorf("before the first time: exit code %d, %s%s", code, stdout, stderr)
	}
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	stack.Run(t, config)
	exec(t, config, "UPDATE users SET username = CONCAT('a', CHAR(27), '[2Jb')")
	found := stack.VerifiedFindings(t, config)

	code, stdout, stderr := helfy(t, config, "audit", "findings")
	if code != 0 || !strings.Contains(stdout, `unattributed-change  user 1 ("a\x1b[2Jb")  `+config.ChangesTopic+"[") ||
		!strings.Contains(stdout, "1 findings; the log is verified through 2") || strings.Contains(stdout, "\x1b") {
		t.Errorf("exit code %d, %q%s", code, stdout, stderr)
	}
	code, stdout, stderr = helfy(t, config, "audit", "findings", "--json")
	var line struct{ Kind, CommitTs, Detail string }
	if err := json.Unmarshal([]byte(stdout), &line); err != nil || code != 0 {
		t.Fatalf("exit code %d, %v, %s%s", code, err, stdout, stderr)
	}
	if len(found) != 1 || line.Kind != string(found[0].Kind) || line.Detail != found[0].Detail {
		t.Errorf("got %+v, found is %+v", line, found)
	}
}

func TestTheConsumerNeedsTheKey(t *testing.T) {
	config := stack.New(t)
	config.KeyFile = ""
	for _, command := range []string{"consume", "run"} {
		if code, _, stderr := helfy(t, config, command); code != 1 || !strings.Contains(stderr, "HELFY_KEY_FILE") {
			t.Errorf("%s: exit code %d, %s", command, code, stderr)
		}
	}
}
