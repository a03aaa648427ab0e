package deploy

import (
	"debug/buildinfo"
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
)

func TestTheDockerfileIsOneThatBuildKitHasNothingToSayAgainst(t *testing.T) {
	stages, warnings, err := readDockerfile()
	if err != nil {
		t.Fatal(err)
	}
	for _, warning := range warnings {
		t.Error(warning)
	}
	if want := []string{"build", "helfy", "web"}; !slices.Equal(names(stages), want) {
		t.Errorf("its stages are %q, want %q", names(stages), want)
	}
	for _, service := range byName(everything(t).Services) {
		if service.Build == nil {
			continue
		}
		if _, ok := stages[service.Build.Target]; !ok {
			t.Errorf("%s is built of the stage %q, which is not there", service.Name, service.Build.Target)
		}
	}
}

func TestTheImagesAreMadeOfPinnedOnesAndRunAsNobody(t *testing.T) {
	stages, _, err := readDockerfile()
	if err != nil {
		t.Fatal(err)
	}
	pinned := regexp.MustCompile(`^(scratch|[a-z/]+:\d+\.\d+\.\d+(-[a-z0-9.]+)?)$`)
	for name, stage := range stages {
		if !pinned.MatchString(stage.BaseName) {
			t.Errorf("stage %s is made of %s, which is not pinned", name, stage.BaseName)
		}
	}
	services := everything(t).Services
	for target, service := range map[string]string{"helfy": "api", "web": "web"} {
		var user string
		for _, instruction := range stages[target].Commands {
			if step, ok := instruction.(*instructions.UserCommand); ok {
				user = step.User
			}
		}
		if user == "" || user != services[service].User {
			t.Errorf("stage %s runs as %q, the service %s as %q", target, user, service, services[service].User)
		}
	}
}

// The compiler of the image must be able to compile what go.mod asks for.
func TestTheImageIsBuiltWithTheGoOfTheModule(t *testing.T) {
	stages, _, err := readDockerfile()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	minor := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindSubmatch(text)
	if minor == nil {
		t.Fatal("go.mod names no version of Go")
	}
	if base := stages["build"].BaseName; !strings.HasPrefix(base, "golang:"+string(minor[1])+".") {
		t.Errorf("the image is built by %s, and go.mod wants %s", base, minor[1])
	}
}

func TestNothingSecretAndNothingLargeIsSentToTheBuild(t *testing.T) {
	files, err := buildContext()
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		first, _, _ := strings.Cut(file, "/")
		if strings.HasPrefix(first, ".") || slices.Contains([]string{"devstack", "docs", "e2e", "bin", "compose.yml"}, first) ||
			strings.HasSuffix(file, ".key") || strings.HasSuffix(file, "_test.go") {
			t.Errorf("%s is sent to the build", file)
		}
	}
	stages, _, err := readDockerfile()
	if err != nil {
		t.Fatal(err)
	}
	for _, instruction := range stages["web"].Commands {
		if step, ok := instruction.(*instructions.CopyCommand); ok {
			if err := copyFiles(files, step.SourcePaths, t.TempDir()); err != nil {
				t.Error(err)
			}
		}
	}
}

// The image has nothing but the program: no library, no shell.
func TestTheStageBuildMakesAProgramThatNeedsNothingElse(t *testing.T) {
	path := program(t)
	file, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close() //nolint:errcheck // it was only read
	for _, segment := range file.Progs {
		if segment.Type == elf.PT_INTERP {
			t.Error("it needs a dynamic linker")
		}
	}
	if libraries, err := file.ImportedLibraries(); err == nil && len(libraries) > 0 {
		t.Errorf("it needs %q", libraries)
	}
	info, err := buildinfo.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	settings := map[string]string{}
	for _, setting := range info.Settings {
		settings[setting.Key] = setting.Value
	}
	if settings["CGO_ENABLED"] != "0" || settings["-trimpath"] != "true" {
		t.Errorf("it was built with %v", settings)
	}
	help := exec.CommandContext(t.Context(), path, "--help")
	help.Env = []string{}
	if said, err := help.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, said)
	}
}
