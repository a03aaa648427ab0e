package deploy

import (
	"bufio"
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	_ "github.com/go-sql-driver/mysql"
)

// patience is how long anything may take that a rehearsal waits for.
const patience = 2 * time.Minute

// rehearsal runs the services of helfy as compose.yml says, in its order and
// with its commands, variables, secrets and health checks, on the parts that
// devstack runs in the place of the containers.
type rehearsal struct {
	t        *testing.T
	project  *types.Project
	dir      string // of the volumes that prepare.sh fills
	parts    map[string]string
	replaced map[string]string // service and variable → what stands in its place
	running  map[string]*exec.Cmd
}

func newRehearsal(t *testing.T) *rehearsal {
	t.Helper()
	r := &rehearsal{t: t, project: load(t), dir: t.TempDir(), running: map[string]*exec.Cmd{}}
	prepare(t, r.dir)
	r.parts = startDevstack(t)
	api := freePort(t)
	r.replaced = map[string]string{
		"TIDB_HOST": r.parts["TIDB_HOST"], "TIDB_PORT": r.parts["TIDB_PORT"],
		"KAFKA_BROKERS": r.parts["KAFKA_BROKERS"], "TICDC_URL": r.parts["TICDC_URL"],
		"HOST": "127.0.0.1", "PORT": api,
		"api METRICS_ADDRESS": "127.0.0.1:" + freePort(t), "consumer METRICS_ADDRESS": "127.0.0.1:" + freePort(t),
	}
	return r
}

// startDevstack returns the environment that it gives, until the test ends.
func startDevstack(t *testing.T) map[string]string {
	t.Helper()
	command := exec.CommandContext(context.Background(), filepath.Join(root, "bin", "devstack"),
		"--ephemeral", "--", "sh", "-c", "env; echo; exec cat")
	stdin, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatalf("start devstack (go tool task build makes it): %v", err)
	}
	t.Cleanup(func() {
		if err := errors.Join(stdin.Close(), command.Wait()); err != nil {
			t.Errorf("devstack: %v", err)
		}
	})
	environ := map[string]string{}
	for lines := bufio.NewScanner(stdout); lines.Scan() && lines.Text() != ""; {
		name, value, _ := strings.Cut(lines.Text(), "=")
		environ[name] = value
	}
	if environ["TIDB_PORT"] == "" {
		t.Fatal("devstack did not start")
	}
	return environ
}

func freePort(t *testing.T) string {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, err := net.SplitHostPort(listener.Addr().String())
	if err := errors.Join(err, listener.Close()); err != nil {
		t.Fatal(err)
	}
	return port
}

// here gives a text of a service with the files of this machine.
func (r *rehearsal) here(service types.ServiceConfig, text string) string {
	for _, mount := range service.Volumes {
		if volume, ok := strings.CutPrefix(mount.Source, "secrets-"); ok {
			text = strings.ReplaceAll(text, mount.Target+"/", filepath.Join(r.dir, "secrets", volume)+"/")
		}
	}
	return text
}

// command is that of a service, with its variables and no others.
func (r *rehearsal) command(ctx context.Context, service types.ServiceConfig, arguments ...string) *exec.Cmd {
	for i, argument := range arguments {
		arguments[i] = r.here(service, argument)
	}
	command := exec.CommandContext(ctx, program(r.t), arguments...)
	command.Env = []string{}
	for variable, value := range r.environ(service) {
		command.Env = append(command.Env, variable+"="+value)
	}
	return command
}

func (r *rehearsal) environ(service types.ServiceConfig) map[string]string {
	environ := map[string]string{}
	for variable, text := range service.Environment {
		environ[variable] = r.here(service, *text)
	}
	for name, value := range r.replaced {
		variable := name[strings.LastIndex(name, " ")+1:]
		own := name == service.Name+" "+variable
		_, has := service.Environment[variable]
		if own || variable == name && (has || slices.Contains([]string{"TIDB_PORT", "HOST", "PORT"}, variable)) {
			environ[variable] = value
		}
	}
	return environ
}

// setRootPassword does what TiDB does with the file when it is new.
func (r *rehearsal) setRootPassword() {
	r.t.Helper()
	db, err := sql.Open("mysql", "root@tcp("+net.JoinHostPort(r.parts["TIDB_HOST"], r.parts["TIDB_PORT"])+")/")
	if err != nil {
		r.t.Fatal(err)
	}
	defer db.Close() //nolint:errcheck // it was used once
	if _, err := db.ExecContext(r.t.Context(), read(r.t, filepath.Join(r.dir, "secrets", "tidb", "root.sql"))); err != nil {
		r.t.Fatal(err)
	}
}

// inOrder gives the services of helfy, each behind those that it waits for.
func (r *rehearsal) inOrder() []types.ServiceConfig {
	var ordered []types.ServiceConfig
	seen := map[string]bool{}
	var add func(name string)
	add = func(name string) {
		if seen[name] {
			return
		}
		seen[name] = true
		service := r.project.Services[name]
		for _, before := range slices.Sorted(maps.Keys(service.DependsOn)) {
			add(before)
		}
		if helfy(service) {
			ordered = append(ordered, service)
		}
	}
	for _, name := range r.project.ServiceNames() {
		add(name)
	}
	return ordered
}

// runOnce runs a service to its end.
func (r *rehearsal) runOnce(service types.ServiceConfig) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), patience)
	defer cancel()
	if said, err := r.command(ctx, service, slices.Clone(service.Command)...).CombinedOutput(); err != nil {
		r.t.Fatalf("%s: %v: %s", service.Name, err, said)
	}
}

// asDoctor is a service that runs helfy doctor instead, which fails if it finds
// a fault.
func (r *rehearsal) asDoctor(name string) types.ServiceConfig {
	service := r.project.Services[name]
	service.Command = []string{"doctor"}
	return service
}

// start starts a service that stays, and waits until it is healthy.
func (r *rehearsal) start(service types.ServiceConfig) {
	r.t.Helper()
	command := r.command(context.Background(), service, slices.Clone(service.Command)...)
	var said bytes.Buffer
	command.Stdout, command.Stderr = &said, &said
	if err := command.Start(); err != nil {
		r.t.Fatal(err)
	}
	r.running[service.Name] = command
	r.t.Cleanup(func() {
		if command.ProcessState == nil {
			_ = command.Process.Kill()
			_ = command.Wait()
		}
		if r.t.Failed() {
			r.t.Logf("%s says:\n%s", service.Name, said.String())
		}
	})
	environ := r.environ(service)
	eventually(r.t, func() error {
		check := slices.Clone(service.HealthCheck.Test[2:]) // behind CMD and the program
		for i := range check {
			check[i] = strings.NewReplacer("127.0.0.1:3000", "127.0.0.1:"+environ["PORT"], "127.0.0.1:9100", environ["METRICS_ADDRESS"]).Replace(check[i])
		}
		out, err := r.command(r.t.Context(), service, check...).CombinedOutput()
		if err != nil {
			err = fmt.Errorf("%s is not healthy: %w: %s", service.Name, err, out)
		}
		return err
	})
}

// stop ends a service as Docker does, in the time that it has.
func (r *rehearsal) stop(name string) {
	r.t.Helper()
	command := r.running[name]
	if err := command.Process.Signal(syscall.SIGTERM); err != nil {
		r.t.Fatal(err)
	}
	period := time.Duration(*r.project.Services[name].StopGracePeriod)
	late := time.AfterFunc(period, func() {
		r.t.Errorf("%s has not ended after %s", name, period)
		_ = command.Process.Kill()
	})
	defer late.Stop()
	if err := command.Wait(); err != nil {
		r.t.Errorf("%s has ended with %v", name, err)
	}
}

func eventually(t *testing.T, check func() error) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("after %s: %v", patience, err)
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-t.Context().Done():
			t.Fatalf("the test ended: %v", err)
		}
	}
}

func TestTheServiceStartsAsComposeSaysAndTheAdministratorSignsIn(t *testing.T) {
	r := newRehearsal(t)
	r.setRootPassword()
	services := r.inOrder()
	for _, service := range services {
		if once(service) {
			r.runOnce(service)
		} else {
			r.start(service)
		}
	}
	base := "http://127.0.0.1:" + r.replaced["PORT"]
	password := strings.TrimSpace(read(t, filepath.Join(r.dir, "secrets", "admin", "admin-password")))
	var session struct{ Token string }
	ask(t, http.MethodPost, base+"/api/login", "", `{"username":"admin","password":"`+password+`"}`, &session)
	want := []string{"LOGIN_SUCCESS", "USER_CREATED"} // the first user, too: the changefeed was there before
	eventually(t, func() error {
		var log struct {
			Entries         []struct{ EventType string }
			CompleteThrough *time.Time
		}
		ask(t, http.MethodGet, base+"/api/audit?user=admin&source=event", session.Token, "", &log)
		var got []string
		for _, entry := range log.Entries {
			got = append(got, entry.EventType)
		}
		if !slices.Equal(got, want) || log.CompleteThrough == nil {
			return fmt.Errorf("the log has %q, want %q, and is complete through %v", got, want, log.CompleteThrough)
		}
		return nil
	})
	var findings struct{ Findings []json.RawMessage }
	ask(t, http.MethodGet, base+"/api/audit/findings", session.Token, "", &findings)
	for _, finding := range findings.Findings {
		t.Errorf("the log has a finding: %s", finding)
	}
	for _, name := range []string{"api", "consumer"} {
		r.runOnce(r.asDoctor(name))
	}
	// As docker compose up does once more, when the first user has gone on.
	ask(t, http.MethodPatch, base+"/api/users/1", session.Token, `{"username":"boss"}`, &struct{}{})
	for _, service := range services {
		if once(service) {
			r.runOnce(service)
		}
	}
	var users struct{ Users []struct{ Username string } }
	ask(t, http.MethodGet, base+"/api/users", session.Token, "", &users)
	if len(users.Users) != 1 || users.Users[0].Username != "boss" {
		t.Errorf("the users are %+v", users.Users)
	}
	r.stop("api")
	r.stop("consumer")
}

// ask calls the API and reads its answer, which must be a success.
func ask(t *testing.T, method, url, token, body string, answer any) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := (&http.Client{Timeout: patience}).Do(request)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(response.Body)
	if err := errors.Join(err, response.Body.Close()); err != nil {
		t.Fatal(err)
	}
	if response.StatusCode != http.StatusOK {
		t.Fatalf("%s %s: status %d: %s", method, url, response.StatusCode, text)
	}
	if err := json.Unmarshal(text, answer); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
}
