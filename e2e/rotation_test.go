package e2e

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"helfy/domain"
	"helfy/internal/stack"
	"helfy/service"
)

// fleet is two processes that serve and one that consumes, each with a key file
// of its own.
type fleet struct {
	t       *testing.T
	configs []service.Config
	running []*stack.Process
	clients []*stack.Client
}

var fleetCommands = []string{"serve", "serve", "consume"}

func newFleet(t *testing.T, config service.Config) *fleet {
	t.Helper()
	key, err := os.ReadFile(config.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	f := &fleet{t: t, running: make([]*stack.Process, 3), clients: make([]*stack.Client, 2)}
	for i := range fleetCommands {
		one := config
		one.KeyFile = filepath.Join(t.TempDir(), "key")
		if err := os.WriteFile(one.KeyFile, append([]byte("# of this deployment\n"), key...), 0o600); err != nil {
			t.Fatal(err)
		}
		f.configs = append(f.configs, one)
		f.start(i)
	}
	return f
}

func (f *fleet) start(i int) {
	f.t.Helper()
	f.running[i] = stack.Start(f.t, f.configs[i], fleetCommands[i])
	if i < len(f.clients) {
		f.clients[i] = stack.NewClient(f.running[i].Address(f.t))
	}
}

// roll changes the key file of each process and starts it again, one after the
// other. Before and after each of them, everybody takes what the others seal.
func (f *fleet) roll(change func(file string) error) {
	f.t.Helper()
	f.useAll()
	for i := range f.running {
		if err := change(f.configs[i].KeyFile); err != nil {
			f.t.Fatal(err)
		}
		if err := f.running[i].Stop(); err != nil {
			f.t.Fatal(err)
		}
		f.start(i)
		f.useAll()
	}
}

// useAll signs in at each process and shows the session to all.
func (f *fleet) useAll() {
	f.t.Helper()
	for _, at := range f.clients {
		token, err := at.Login(f.t.Context(), "admin", "admin")
		if err != nil {
			f.t.Fatal(err)
		}
		f.requireSession(token)
	}
}

func (f *fleet) requireSession(token string) {
	f.t.Helper()
	for i, client := range f.clients {
		response, _, err := client.Do(f.t.Context(), http.MethodGet, "/api/me", token, "")
		if err != nil || response.StatusCode != http.StatusOK {
			f.t.Fatalf("process %d does not take the session: %v, %v", i, response, err)
		}
	}
}

func TestProcessesRollThroughARotationOfTheKeyWithoutAFinding(t *testing.T) {
	config := stack.New(t)
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	f := newFleet(t, config)
	old, err := f.clients[0].Login(t.Context(), "admin", "admin")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	seal, public := filepath.Join(dir, "seal"), filepath.Join(dir, "seal-key.pub")
	helfy := func(args ...string) string {
		t.Helper()
		code, printed := stack.RunCommand(t, f.configs[0], "", args...)
		if code != 0 {
			t.Fatalf("helfy %v: exit code %d: %s", args, code, printed)
		}
		return printed
	}
	helfy("key", "create-seal", filepath.Join(dir, "seal-key"))
	stack.RequireNoFindings(t, config)
	helfy("audit", "seal", "--key", filepath.Join(dir, "seal-key"), "--out", seal)

	// The file that others get is made once and copied.
	added := f.configs[0].KeyFile + ".added"
	first, err := os.ReadFile(f.configs[0].KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(added, first, 0o640); err != nil {
		t.Fatal(err)
	}
	helfy("key", "add", added)
	ids, err := service.ListKeys(added)
	if err != nil || len(ids) != 2 {
		t.Fatalf("keys %v, %v", ids, err)
	}
	with, err := os.ReadFile(added)
	if err != nil || !strings.HasPrefix(string(with), string(first)) {
		t.Fatalf("what was there is not kept, %v", err)
	}
	f.roll(func(file string) error { return os.WriteFile(file, with, 0o600) })
	f.roll(func(file string) error { return service.PromoteKey(file, ids[1]) })
	f.requireSession(old)
	stack.RequireNoFindings(t, config)

	helfy("audit", "verify", "--seal", seal, "--public-key", public)
	helfy("audit", "verify", "--from", "table")
	usage := helfy("key", "usage")
	for _, want := range []string{ids[0] + "  ", ids[1] + "  ", ids[1] + "  1 credentials", " events  "} {
		if !strings.Contains(usage, want) {
			t.Errorf("usage lacks %q:\n%s", want, usage)
		}
	}
	if strings.Contains(usage, ids[0]+"  1 credentials") {
		t.Errorf("the login has not sealed the credential anew:\n%s", usage)
	}
}
