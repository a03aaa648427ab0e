package deploy

import (
	"bytes"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/linter"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"
)

// readDockerfile parses Dockerfile as BuildKit does, and returns its stages by
// name and what the linter has to say.
func readDockerfile() (stages map[string]instructions.Stage, warnings []string, err error) {
	text, err := os.ReadFile(filepath.Join(root, "Dockerfile"))
	if err != nil {
		return nil, nil, err
	}
	tree, err := parser.Parse(bytes.NewReader(text))
	if err != nil {
		return nil, nil, fmt.Errorf("Dockerfile: %w", err)
	}
	for _, warning := range tree.Warnings {
		warnings = append(warnings, warning.Short)
	}
	all, _, err := instructions.Parse(tree.AST, linter.New(&linter.Config{
		Warn: func(rule, _, _, message string, _ []parser.Range) { warnings = append(warnings, rule+": "+message) },
	}))
	if err != nil {
		return nil, nil, fmt.Errorf("Dockerfile: %w", err)
	}
	stages = map[string]instructions.Stage{}
	for _, stage := range all {
		stages[stage.Name] = stage
	}
	return stages, warnings, nil
}

// buildContext lists the files that Docker gets to build with, as .dockerignore
// leaves them.
func buildContext() ([]string, error) {
	ignore, err := os.Open(filepath.Join(root, ".dockerignore"))
	if err != nil {
		return nil, err
	}
	defer ignore.Close() //nolint:errcheck // it was only read
	patterns, err := ignorefile.ReadAll(ignore)
	if err != nil {
		return nil, err
	}
	matcher, err := patternmatcher.New(patterns)
	if err != nil {
		return nil, err
	}
	var files []string
	err = filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if slices.Contains([]string{"bin", ".git", ".ci", ".dev"}, entry.Name()) && filepath.Dir(name) == root {
				return filepath.SkipDir // large, and ignored as all else is
			}
			return nil
		}
		relative, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		ignored, err := matcher.MatchesOrParentMatches(filepath.ToSlash(relative))
		if err == nil && !ignored {
			files = append(files, filepath.ToSlash(relative))
		}
		return err
	})
	return files, err
}

// build does what the stage build says, in a folder of its own instead of an
// image, and returns the program.
var build = sync.OnceValues(func() (string, error) {
	stages, _, err := readDockerfile()
	if err != nil {
		return "", err
	}
	files, err := buildContext()
	if err != nil {
		return "", err
	}
	image, err := os.MkdirTemp("", "helfy-image")
	if err != nil {
		return "", err
	}
	made = append(made, image)
	directory, environ := image, os.Environ()
	for _, instruction := range stages["build"].Commands {
		switch step := instruction.(type) {
		case *instructions.WorkdirCommand:
			directory = filepath.Join(image, step.Path)
			err = os.MkdirAll(directory, 0o755)
		case *instructions.EnvCommand:
			for _, pair := range step.Env {
				environ = append(environ, pair.Key+"="+pair.Value)
			}
		case *instructions.CopyCommand:
			err = copyFiles(files, step.SourcePaths, filepath.Join(directory, step.DestPath))
		case *instructions.RunCommand:
			line := strings.ReplaceAll(strings.Join(step.CmdLine, " "), "/out/", image+"/out/")
			command := exec.Command("sh", "-c", line) //nolint:noctx // go test ends it
			command.Dir, command.Env = directory, environ
			var said []byte
			if said, err = command.CombinedOutput(); err != nil {
				err = fmt.Errorf("%s: %w\n%s", line, err, said)
			}
		default:
			err = fmt.Errorf("the test does not know what %s does", instruction.Name())
		}
		if err != nil {
			return "", fmt.Errorf("Dockerfile, stage build: %w", err)
		}
	}
	return filepath.Join(image, "out", "helfy"), nil
})

// made has folders that are removed when all tests are done.
var made []string

func TestMain(m *testing.M) {
	code := m.Run()
	for _, dir := range made {
		if err := os.RemoveAll(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	}
	os.Exit(code)
}

// copyFiles copies those of the files that sources, files and folders, name.
func copyFiles(files, sources []string, target string) error {
	for _, source := range sources {
		found := false
		for _, file := range files {
			relative, inside := strings.CutPrefix(file, path.Clean(source)+"/")
			switch {
			case source == ".":
				relative = file
			case file == source:
				relative = path.Base(file)
			case !inside:
				continue
			}
			found = true
			text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(file)))
			if err != nil {
				return err
			}
			to := filepath.Join(target, filepath.FromSlash(relative))
			if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
				return err
			}
			if err := os.WriteFile(to, text, 0o644); err != nil {
				return err
			}
		}
		if !found {
			return fmt.Errorf("COPY %s: .dockerignore leaves nothing of it", source)
		}
	}
	return nil
}

func program(t *testing.T) string {
	t.Helper()
	path, err := build()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func names(stages map[string]instructions.Stage) []string { return slices.Sorted(maps.Keys(stages)) }
