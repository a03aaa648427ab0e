package deploy

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/sirupsen/logrus"
)

const root = ".."

// load reads compose.yml as docker compose does, with an empty environment. A
// variable without a value and a default fails the test.
func load(t *testing.T, profiles ...string) *types.Project {
	t.Helper()
	warnings := &warned{}
	logrus.SetOutput(warnings)
	t.Cleanup(func() { logrus.SetOutput(os.Stderr) })
	options, err := cli.NewProjectOptions([]string{filepath.Join(root, "compose.yml")}, cli.WithProfiles(profiles))
	if err != nil {
		t.Fatal(err)
	}
	project, err := options.LoadProject(t.Context())
	if err != nil {
		t.Fatalf("compose.yml: %v", err)
	}
	for _, warning := range warnings.lines {
		t.Errorf("compose.yml: %s", warning)
	}
	return project
}

// warned gets what compose-go logs, such as a variable that is not set.
type warned struct{ lines []string }

func (w *warned) Write(line []byte) (int, error) {
	w.lines = append(w.lines, string(line))
	return len(line), nil
}

// everything is the project with all profiles.
func everything(t *testing.T) *types.Project { return load(t, "*") }

// byName gives services in one order.
func byName(services types.Services) []types.ServiceConfig {
	names := slices.Sorted(maps.Keys(services))
	sorted := make([]types.ServiceConfig, len(names))
	for i, name := range names {
		sorted[i] = services[name]
	}
	return sorted
}

// once reports whether a service ends when it has done its work.
func once(service types.ServiceConfig) bool { return service.Restart != "unless-stopped" }

// helfy reports whether a service runs the program of this repository.
func helfy(service types.ServiceConfig) bool { return service.Image == "helfy:local" }
