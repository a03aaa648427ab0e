package cli_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"helfy/ports/cli"
)

const fixtures = "../../canaljson/testdata/tiflow-v8.5.5"

// run runs a command line and returns its exit code and output.
func run(t *testing.T, stdin string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = cli.Main(t.Context(), args, os.Environ(), strings.NewReader(stdin), &out, &errs)
	return code, out.String(), errs.String()
}

func TestDecodePrintsALineForEachMessage(t *testing.T) {
	for file, want := range map[string]string{
		"users.delete.ext.json":                        `{"kind":"change","database":"db","table":"users","operation":"DELETE"}`,
		"users.insert_nulls.ext.json":                  `{"kind":"change","database":"db","table":"users","operation":"INSERT"}`,
		"users.update_password_and_token.noext.json":   `{"kind":"change","database":"db","table":"users","operation":"UPDATE"}`,
		"ddl.truncate_table.ext.json":                  `{"kind":"ddl","database":"db","table":"users_int2","operation":"TRUNCATE"}`,
		"watermark.ext.json":                           `{"kind":"watermark","database":"","table":"","operation":""}`,
		"outbox.insert_large_handle_key_only.ext.json": `{"kind":"unsupported","database":"db","table":"outbox","operation":"INSERT"}`,
	} {
		t.Run(file, func(t *testing.T) {
			path := filepath.Join(fixtures, file)
			code, stdout, stderr := run(t, "", "message", "decode", path)
			if code != 0 || stderr != "" {
				t.Fatalf("exit code %d, %s", code, stderr)
			}
			type line struct{ Kind, Database, Table, Operation string }
			var got, expected line
			if err := json.Unmarshal([]byte(stdout), &got); err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal([]byte(want), &expected); err != nil {
				t.Fatal(err)
			}
			if got != expected {
				t.Errorf("got %+v, want %+v", got, expected)
			}
			var all map[string]any
			if err := json.Unmarshal([]byte(stdout), &all); err != nil || all["file"] != path {
				t.Errorf("line %s: %v", stdout, err)
			}
		})
	}
}

func TestDecodeKeepsTheWiresCells(t *testing.T) {
	path := filepath.Join(fixtures, "users.update_password_and_token.ext.json")
	wire, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var message struct{ Old, Data []map[string]*string }
	if err := json.Unmarshal(wire, &message); err != nil {
		t.Fatal(err)
	}
	_, stdout, _ := run(t, "", "message", "decode", path)
	var line struct {
		Key, Old, New map[string]*string
		CommitTs      string
	}
	if err := json.Unmarshal([]byte(stdout), &line); err != nil {
		t.Fatal(err)
	}
	if line.CommitTs != "470642837875064832" || *line.Key["id"] != "8358680908399640577" {
		t.Errorf("commitTs %s, key %v", line.CommitTs, line.Key)
	}
	for what, rows := range map[string][2]map[string]*string{"old": {line.Old, message.Old[0]}, "new": {line.New, message.Data[0]}} {
		for column, want := range rows[1] {
			got := rows[0][column]
			if (got == nil) != (want == nil) || got != nil && *got != *want {
				t.Errorf("%s.%s differs", what, column)
			}
		}
		if len(rows[0]) != len(rows[1]) {
			t.Errorf("%s has %d cells, want %d", what, len(rows[0]), len(rows[1]))
		}
	}
}

func TestDecodeNamesABadFileAndPrintsTheOthers(t *testing.T) {
	bad := filepath.Join(t.TempDir(), "bad.json")
	if err := os.WriteFile(bad, []byte(`{"id":0,`), 0o600); err != nil {
		t.Fatal(err)
	}
	good := filepath.Join(fixtures, "watermark.ext.json")
	code, stdout, stderr := run(t, "", "message", "decode", bad, "no-such-file", good)
	if code != 1 {
		t.Errorf("exit code %d, want 1", code)
	}
	if !strings.Contains(stderr, bad) || !strings.Contains(stderr, "no-such-file") {
		t.Errorf("the bad files are not named: %s", stderr)
	}
	if strings.Count(stdout, "\n") != 1 || !strings.Contains(stdout, good) {
		t.Errorf("the good file is not printed: %s", stdout)
	}
}

func TestHelpListsEveryVariable(t *testing.T) {
	code, stdout, _ := run(t, "", "--help")
	if code != 0 {
		t.Errorf("exit code %d", code)
	}
	for _, variable := range []string{
		"PORT", "TIDB_HOST", "TIDB_PORT", "TIDB_USER", "TIDB_PASSWORD", "TIDB_DATABASE", "TIDB_SSL",
		"KAFKA_BROKERS", "TICDC_URL", "CHANGEFEED_KAFKA_BROKERS", "HELFY_KEY_FILE", "[3000]",
	} {
		if !strings.Contains(stdout, variable) {
			t.Errorf("help does not name %s", variable)
		}
	}
}

func TestAWrongCommandLineIsRefused(t *testing.T) {
	for _, args := range [][]string{{"dance"}, {"user", "create"}, {"message", "decode"}, {"run", "--fast"}} {
		if code, _, stderr := run(t, "", args...); code == 0 || stderr == "" {
			t.Errorf("%v: exit code %d, %q", args, code, stderr)
		}
	}
}

func TestAKeyFileIsNeverOverwritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	if code, _, stderr := run(t, "", "key", "create", path); code != 0 {
		t.Fatal(stderr)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if code, _, _ := run(t, "", "key", "create", path); code != 1 {
		t.Errorf("a second key create: exit code %d", code)
	}
	if after, err := os.ReadFile(path); err != nil || !bytes.Equal(before, after) {
		t.Error("the key was overwritten")
	}
}

func TestUserCreateRefusesWhatItMust(t *testing.T) {
	t.Setenv("HELFY_KEY_FILE", filepath.Join(t.TempDir(), "key"))
	if code, _, stderr := run(t, "", "key", "create", os.Getenv("HELFY_KEY_FILE")); code != 0 {
		t.Fatal(stderr)
	}
	for name, test := range map[string]struct{ username, stdin, want string }{
		"no password":   {"x", "", "password"},
		"weak password": {"x", "admin\n", "too weak"},
		"bad name":      {" x", "correct horse battery\n", "invalid username"},
	} {
		t.Run(name, func(t *testing.T) {
			code, _, stderr := run(t, test.stdin, "user", "create", "--username", test.username, "--password-stdin")
			if code != 1 || !strings.Contains(stderr, test.want) {
				t.Errorf("exit code %d, %s", code, stderr)
			}
			if test.stdin != "" && strings.Contains(stderr, strings.TrimSpace(test.stdin)) {
				t.Errorf("the password is shown: %s", stderr)
			}
		})
	}
}

func TestCalibrationPrintsWhatToSet(t *testing.T) {
	code, stdout, stderr := run(t, "", "hash", "calibrate", "--target", "1ms")
	want := "LOGIN_HASH_MEMORY_KIB=19456\nLOGIN_HASH_TIME=2\nLOGIN_HASH_THREADS=1\n"
	if code != 0 || stdout != want || !strings.Contains(stderr, "OWASP") || !strings.Contains(stderr, "m=19456,t=2,p=1 takes") {
		t.Errorf("exit code %d, %q, %q", code, stdout, stderr)
	}
	code, stdout, _ = run(t, "", "hash", "calibrate", "--target", "1ms", "--json")
	var answer map[string]float64
	if err := json.Unmarshal([]byte(stdout), &answer); err != nil || code != 0 || answer["LOGIN_HASH_TIME"] != 2 || answer["tookSeconds"] <= 0 {
		t.Errorf("exit code %d, %s, %v", code, stdout, err)
	}
	for _, args := range [][]string{{"--target", "0s"}, {"--target", "2m"}, {"--target", "soon"}, {"--max-memory", "18"}, {"--max-memory", "1025"}} {
		if code, _, stderr := run(t, "", append([]string{"hash", "calibrate"}, args...)...); code == 0 || stderr == "" {
			t.Errorf("%v: exit code %d, %q", args, code, stderr)
		}
	}
}
