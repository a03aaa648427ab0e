//go:build nginx

package web_test

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"helfy/domain"
	"helfy/internal/stack"
	"helfy/service"
)

const (
	root     = "../.."
	patience = time.Minute
)

// replaced is a configuration of deploy/nginx with other names and ports.
func replaced(t *testing.T, file string, pairs ...string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "deploy", "nginx", file))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(pairs); i += 2 {
		if !strings.Contains(string(text), pairs[i]) {
			t.Fatalf("%s has no %q", file, pairs[i])
		}
	}
	path := filepath.Join(t.TempDir(), file)
	if err := os.WriteFile(path, []byte(strings.NewReplacer(pairs...).Replace(string(text))), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// directives are for nginx as Debian has it: stream is a module there, and a
// user that starts it as root must say so.
func directives(file string) string {
	var all []string
	if module := "/usr/lib/nginx/modules/ngx_stream_module.so"; file == "debug.conf" {
		if _, err := os.Stat(module); err == nil {
			all = append(all, "load_module "+module+";")
		}
	}
	if os.Geteuid() == 0 {
		all = append(all, "user root;")
	}
	return strings.Join(all, " ")
}

func absolute(t *testing.T, path ...string) string {
	t.Helper()
	whole, err := filepath.Abs(filepath.Join(append([]string{root}, path...)...))
	if err != nil {
		t.Fatal(err)
	}
	return whole
}

// site is nginx before processes of the API.
type site struct {
	*stack.Client
	config service.Config
	port   int
	names  *names
	access string // file of the access log
	apis   map[string]*stack.Process
}

// newSite starts nginx and a process of the API at each address, all at one
// port, and makes the user admin.
func newSite(t *testing.T, config service.Config, addresses ...string) *site {
	t.Helper()
	config.Port = stack.FreePort(t)
	config.TrustedProxies = loopback
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	dir := t.TempDir()
	s := &site{
		config: config, port: stack.FreePort(t), names: serveNames(t, addresses...),
		access: filepath.Join(dir, "access.log"), apis: map[string]*stack.Process{},
	}
	s.Client = stack.NewClient("http://127.0.0.1:" + strconv.Itoa(s.port))
	for _, address := range addresses {
		s.start(t, address)
	}
	file := replaced(t, "nginx.conf",
		"listen 8080;", fmt.Sprintf("listen 127.0.0.1:%d;", s.port),
		"resolver 127.0.0.11 ", "resolver "+s.names.conn.LocalAddr().String()+" ",
		"http://api:3000", fmt.Sprintf("http://api:%d", config.Port),
		"/usr/share/nginx/helfy", absolute(t, "web"),
		"/etc/nginx/helfy-headers.conf", absolute(t, "deploy", "nginx", "headers.conf"),
		"/dev/stdout", s.access,
		"/tmp/", dir+"/",
	)
	nginx := exec.CommandContext(t.Context(), "nginx", "-p", dir, "-c", file, "-g", "daemon off; "+directives("nginx.conf"))
	nginx.Cancel = func() error { return nginx.Process.Signal(syscall.SIGTERM) }
	nginx.WaitDelay = 10 * time.Second
	var said strings.Builder
	nginx.Stderr = &said
	if err := nginx.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// It ends with the test's context.
		if err := nginx.Wait(); err != nil && nginx.ProcessState.ExitCode() > 0 {
			t.Errorf("nginx: %v", err)
		}
		if t.Failed() {
			t.Logf("nginx says:\n%s", said.String())
		}
	})
	stack.Eventually(t, patience, func() error {
		_, _, err := s.Do(t.Context(), http.MethodGet, "/web/livez", "", "")
		return err
	})
	return s
}

// start starts a process of the API and waits until it answers.
func (s *site) start(t *testing.T, address string) {
	t.Helper()
	config := s.config
	config.Host = address
	s.apis[address] = stack.Start(t, config, "serve")
	direct := s.direct(address)
	stack.Eventually(t, patience, func() error {
		response, text, err := direct.Do(t.Context(), http.MethodGet, "/readyz", "", "")
		if err == nil && response.StatusCode != http.StatusOK {
			err = &stack.StatusError{Status: response.StatusCode, Body: string(text)}
		}
		return err
	})
}

// direct is a client of one process, without nginx.
func (s *site) direct(address string) *stack.Client {
	return stack.NewClient("http://" + address + ":" + strconv.Itoa(s.config.Port))
}

func (s *site) login(t *testing.T, name string) (token string) {
	t.Helper()
	token, err := s.Login(t.Context(), name, name)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// get asks with headers, for a body as it was sent.
func get(t *testing.T, client *http.Client, url string, headers map[string]string) (*http.Response, []byte) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range headers {
		request.Header.Set(name, value)
	}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	body, err := stack.ReadAnswer(response)
	if err != nil {
		t.Fatal(err)
	}
	return response, body
}

func TestNginxTakesBothConfigurations(t *testing.T) {
	stack.Alone(t)
	for file, pairs := range map[string][]string{
		"nginx.conf": {"/etc/nginx/helfy-headers.conf", absolute(t, "deploy", "nginx", "headers.conf")},
		"debug.conf": {"listen 4000;", "listen 127.0.0.1:4000;"},
	} {
		dir := t.TempDir()
		path := replaced(t, file, append(pairs, "/tmp/", dir+"/")...)
		said, err := exec.CommandContext(t.Context(), "nginx", "-t", "-p", dir, "-c", path, "-g", directives(file)).CombinedOutput()
		if err != nil || strings.Contains(string(said), "[warn]") {
			t.Errorf("%s: %v\n%s", file, err, said)
		}
	}
}
