package e2e

import (
	"bytes"
	"compress/gzip"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"helfy/internal/stack"
	"helfy/service"
)

// secrets are texts that must be nowhere, by what they are.
type secrets map[string]string

// search reports each secret that stands in a text.
func (s secrets) search(t *testing.T, where string, text []byte) {
	t.Helper()
	for what, secret := range s {
		if bytes.Contains(text, []byte(secret)) {
			t.Errorf("%s: has the %s", where, what)
		}
	}
}

func (s secrets) only(kind string) secrets {
	some := secrets{}
	for what, secret := range s {
		if strings.HasPrefix(what, kind) {
			some[what] = secret
		}
	}
	return some
}

// planter uses every route and command with secrets that it remembers.
type planter struct {
	t       *testing.T
	config  service.Config
	api     *stack.Client
	process *stack.Process
	secrets secrets
	// seen is all that was answered and printed, by where.
	seen    map[string][]byte
	visited map[string]bool // operations, such as "GET /api/me"
	ran     []string        // commands, such as "user create"
}

// marker is a name that is no secret: a search that does not find it where it
// must be finds nothing.
const marker = "marked-user"

func TestNoSecretIsAnywhere(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	config := stack.NewOwnIn(t, dir).Config()
	config.Dev = false
	config.MetricsAddress = "127.0.0.1:" + strconv.Itoa(stack.FreePort(t))
	p := &planter{t: t, config: config, secrets: secrets{}, seen: map[string][]byte{}, visited: map[string]bool{}}
	sent := p.notify()
	p.run(p.password("first"), "user", "create", "--username", "admin", "--admin", "--password-stdin")
	p.process = stack.Start(t, p.config, "run")
	p.api = stack.NewClient(p.process.Address(t))

	p.visitRoutes()
	p.requireEveryRoute()
	p.call(http.MethodGet, "http://"+config.MetricsAddress+"/metrics", "", "", http.StatusOK)
	p.requireNotified(sent)
	p.runAuditCommands()
	p.stop(p.process, "run")
	p.runCommands()
	p.searchTables()
	p.run("", "migrate", "down") // with the data of its tables
	p.run("", "migrate", "up")
	p.makeAccounts()
	p.requireEveryCommand()
	p.searchAnswers()
	p.searchFiles(filepath.Join(dir, "kafka"), p.secrets)
	// The database has the hashes, and nothing has the rest.
	p.searchFiles(dir, p.secrets.only("password"))
	p.searchFiles(dir, p.secrets.only("token"))
	p.searchFiles(dir, p.secrets.only("hook"))
}

// password makes a password and remembers it.
func (p *planter) password(what string) string {
	secret := "planted " + uuid.NewString()
	p.secrets["password "+what] = secret
	return secret
}

// rememberHashes remembers the hashes of all passwords as they are stored.
func (p *planter) rememberHashes(db *sql.DB) {
	rows, err := db.QueryContext(p.t.Context(), "SELECT password_hash FROM credentials")
	if err != nil {
		p.t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var hash string
		if err := rows.Scan(&hash); err != nil {
			p.t.Fatal(err)
		}
		// The salt and the sum are what is secret of a PHC string.
		_, secret, _ := strings.Cut(hash[1:], "$m=")
		_, secret, _ = strings.Cut(secret, "$")
		p.secrets["hash "+secret[:4]] = secret
	}
	if err := rows.Err(); err != nil {
		p.t.Fatal(err)
	}
}

// call sends a request and remembers the answer. The path is that of the
// service or a whole address.
func (p *planter) call(method, path, token, body string, want int) []byte {
	p.t.Helper()
	api := p.api
	if strings.HasPrefix(path, "http") {
		api, path = stack.NewClient(path), ""
	}
	response, answer, err := api.Do(p.t.Context(), method, path, token, body)
	if err != nil || response.StatusCode != want {
		p.t.Fatalf("%s %s: %v, want status %d: %s, %v", method, path, response, want, answer, err)
	}
	operation := method + " " + path
	if known := p.operation(operation); known != "" {
		p.visited[known] = true
	}
	var header bytes.Buffer
	if err := response.Header.Write(&header); err != nil {
		p.t.Fatal(err)
	}
	p.remember("answer of "+operation, append(header.Bytes(), answer...))
	return answer
}

// remember keeps what was seen. Tokens stand in the answers that give them, so
// they are remembered as secrets and taken out here.
func (p *planter) remember(where string, text []byte) {
	p.seen[where+" "+strconv.Itoa(len(p.seen))] = text
}

// login returns the token of a new session.
func (p *planter) login(username, password string) string {
	p.t.Helper()
	answer := p.call(http.MethodPost, "/api/login", "", credentials(p.t, username, password), http.StatusOK)
	var body struct{ Token string }
	if err := json.Unmarshal(answer, &body); err != nil || body.Token == "" {
		p.t.Fatalf("%s: %v", answer, err)
	}
	p.secrets["token "+body.Token[:4]] = body.Token
	p.forgetToken(body.Token)
	return body.Token
}

// forgetToken takes a new token out of the answer that gave it.
func (p *planter) forgetToken(token string) {
	for where, text := range p.seen {
		if strings.HasPrefix(where, "answer of POST /api/login") {
			p.seen[where] = bytes.ReplaceAll(text, []byte(token), []byte("[the token]"))
		}
	}
}

func credentials(t *testing.T, username, password string) string {
	t.Helper()
	text, err := json.Marshal(map[string]string{"username": username, "password": password})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// run runs a command of helfy to its end and remembers what it printed.
func (p *planter) run(stdin string, args ...string) string {
	p.t.Helper()
	code, printed := stack.RunCommand(p.t, p.config, stdin, args...)
	if code != 0 {
		p.t.Fatalf("helfy %v: exit code %d: %s", args, code, printed)
	}
	p.ran = append(p.ran, strings.Join(args, " "))
	p.remember("output of "+strings.Join(args, " "), []byte(printed))
	return printed
}

// stop ends a command that runs until it is told to stop.
func (p *planter) stop(process *stack.Process, command string) {
	p.t.Helper()
	if err := process.Stop(); err != nil {
		p.t.Error(err)
	}
	p.ran = append(p.ran, command)
	p.remember("log of "+command, []byte(process.Said()))
}

// operation returns the operation of the API's description that a request
// is for, empty if there is none.
func (p *planter) operation(request string) string {
	method, path, _ := strings.Cut(request, " ")
	path, _, _ = strings.Cut(path, "?")
	for known := range p.operations() {
		knownMethod, template, _ := strings.Cut(known, " ")
		form := "^" + regexp.MustCompile(`\\\{[^/]*\\\}`).ReplaceAllString(regexp.QuoteMeta(template), "[^/]+") + "$"
		if knownMethod == method && regexp.MustCompile(form).MatchString(path) {
			return known
		}
	}
	return ""
}

func (p *planter) operations() map[string]bool {
	_, text, err := p.api.Do(p.t.Context(), http.MethodGet, "/openapi.json", "", "")
	if err != nil {
		p.t.Fatal(err)
	}
	var description struct {
		Paths map[string]map[string]json.RawMessage
	}
	if err := json.Unmarshal(text, &description); err != nil {
		p.t.Fatal(err)
	}
	all := map[string]bool{}
	for path, methods := range description.Paths {
		for method := range methods {
			all[strings.ToUpper(method)+" "+path] = true
		}
	}
	return all
}

func (p *planter) requireEveryRoute() {
	p.t.Helper()
	for operation := range p.operations() {
		if !p.visited[operation] {
			p.t.Errorf("%s was not called", operation)
		}
	}
}

// requireEveryCommand holds what ran against the program's own help.
func (p *planter) requireEveryCommand() {
	p.t.Helper()
	_, help, _ := strings.Cut(p.run("", "--help"), "Commands:")
	commands := regexp.MustCompile(`(?m)^  ([a-z][a-z-]*(?: [a-z][a-z-]*)*)`).FindAllStringSubmatch(help, -1)
	if len(commands) < 10 {
		p.t.Fatalf("the help names only the commands %v", commands)
	}
	for _, command := range commands {
		ran := slices.ContainsFunc(p.ran, func(line string) bool { return line == command[1] || strings.HasPrefix(line, command[1]+" ") })
		if !ran {
			p.t.Errorf("helfy %s did not run", command[1])
		}
	}
}

func (p *planter) searchAnswers() {
	p.t.Helper()
	found := false
	for where, text := range p.seen {
		p.secrets.search(p.t, where, text)
		found = found || strings.HasPrefix(where, "log of") && bytes.Contains(text, []byte(marker))
	}
	if !found {
		p.t.Errorf("the log does not even name %s", marker)
	}
}

// searchTables looks into every column of every table.
func (p *planter) searchTables() {
	p.t.Helper()
	db := stack.DB(p.t, p.config)
	rows, err := db.QueryContext(p.t.Context(), "SELECT table_name FROM information_schema.tables WHERE table_schema = ?", p.config.TiDBDatabase)
	if err != nil {
		p.t.Fatal(err)
	}
	defer rows.Close()
	var tables []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			p.t.Fatal(err)
		}
		tables = append(tables, name)
	}
	if err := rows.Err(); err != nil {
		p.t.Fatal(err)
	}
	marked := 0
	for _, table := range tables {
		text := p.dump(db, table)
		wanted := p.secrets
		if table == "credentials" { // where the hashes belong
			wanted = secrets{}
			for _, kind := range []string{"password", "token"} {
				for what, secret := range p.secrets.only(kind) {
					wanted[what] = secret
				}
			}
		}
		wanted.search(p.t, "table "+table, text)
		if bytes.Contains(text, []byte(marker)) {
			marked++
		}
	}
	if len(tables) < 8 || marked < 2 {
		p.t.Errorf("of %d tables %d name %s", len(tables), marked, marker)
	}
}

// dump returns all values of a table.
func (p *planter) dump(db *sql.DB, table string) []byte {
	p.t.Helper()
	rows, err := db.QueryContext(p.t.Context(), "SELECT * FROM `"+table+"`")
	if err != nil {
		p.t.Fatal(err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		p.t.Fatal(err)
	}
	var text bytes.Buffer
	for rows.Next() {
		values, targets := make([]sql.RawBytes, len(columns)), make([]any, len(columns))
		for i := range values {
			targets[i] = &values[i]
		}
		if err := rows.Scan(targets...); err != nil {
			p.t.Fatal(err)
		}
		for _, value := range values {
			text.Write(value)
			text.WriteByte('\n')
		}
	}
	if err := rows.Err(); err != nil {
		p.t.Fatal(err)
	}
	return text.Bytes()
}

// searchFiles looks into all files of a folder, those that are compressed
// included, and requires that the marker is there.
func (p *planter) searchFiles(dir string, wanted secrets) {
	p.t.Helper()
	found := false
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if unpacked, err := gzip.NewReader(bytes.NewReader(text)); err == nil {
			if text, err = io.ReadAll(unpacked); err != nil {
				return fmt.Errorf("%s: %w", path, err)
			}
		}
		wanted.search(p.t, "file "+strings.TrimPrefix(path, dir), text)
		found = found || bytes.Contains(text, []byte(marker))
		return nil
	})
	if err != nil {
		p.t.Error(err)
	}
	if !found {
		p.t.Errorf("no file names %s", marker)
	}
}

// requireInLog waits until the audit log has what was done so far.
func (p *planter) requireInLog(token string) {
	p.t.Helper()
	now := time.Now()
	stack.Eventually(p.t, patience, func() error {
		page, err := p.api.Audit(p.t.Context(), token, "?limit=1")
		if err == nil && (page.CompleteThrough == nil || page.CompleteThrough.Before(now)) {
			err = fmt.Errorf("complete through %v, want %s", page.CompleteThrough, now)
		}
		return err
	})
}
