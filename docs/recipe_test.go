package docs_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

const architecturePage = "architecture.md"

var (
	newFile = regexp.MustCompile("^New file `([^`]+)`:$")
	edit    = regexp.MustCompile("^In `([^`]+)`, below `([^`]+)`:$")
)

// tree is the repository with the recipes followed: the new text of each file
// that they add or edit, by its path.
type tree map[string]string

// follow puts the code of every recipe into the tree.
func follow(t *testing.T) tree {
	t.Helper()
	changed := tree{}
	for _, block := range read(t, architecturePage).blocks {
		if match := newFile.FindStringSubmatch(block.above); match != nil {
			path := strings.Replace(match[1], "NNNNN", nextMigration(t), 1)
			if _, err := os.Stat(filepath.Join("..", path)); !os.IsNotExist(err) {
				t.Fatalf("%s is no new file: %v", path, err)
			}
			changed[path] = block.text
		} else if match := edit.FindStringSubmatch(block.above); match != nil {
			changed.insert(t, match[1], match[2], block.text)
		} else if block.info != "" {
			t.Fatalf("nothing says where this belongs:\n%s", block.text)
		}
	}
	if len(changed) < 10 {
		t.Fatalf("only %d files are in the recipes", len(changed))
	}
	return changed
}

// insert puts text below the only line of a file that has the anchor.
func (changed tree) insert(t *testing.T, path, anchor, text string) {
	t.Helper()
	before, ok := changed[path]
	if !ok {
		file, err := os.ReadFile(filepath.Join("..", path))
		if err != nil {
			t.Fatal(err)
		}
		before = string(file)
	}
	if count := strings.Count(before, anchor+"\n"); count != 1 {
		t.Fatalf("%s has %d lines that end with %q", path, count, anchor)
	}
	changed[path] = strings.Replace(before, anchor+"\n", anchor+"\n"+text, 1)
}

func nextMigration(t *testing.T) string {
	t.Helper()
	files, err := filepath.Glob("../migrations/*.sql")
	if err != nil {
		t.Fatal(err)
	}
	var newest int
	if _, err := fmt.Sscanf(filepath.Base(slices.Max(files)), "%05d", &newest); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%05d", newest+1)
}

// build builds helfy from the tree and returns the program's path. The
// repository itself stays as it is: the Go command lays the changes over it.
func (changed tree) build(t *testing.T) string {
	t.Helper()
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	replace := map[string]string{}
	for path, text := range changed {
		file := filepath.Join(dir, strings.ReplaceAll(path, "/", "-"))
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		replace[filepath.Join(root, path)] = file
	}
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "overlay.json"), overlay, 0o600); err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(dir, "helfy")
	run(t, root, nil, "go", "build", "-overlay", filepath.Join(dir, "overlay.json"), "-o", program, ".")
	return program
}

// run runs a command to its end and fails the test if it fails.
func run(t *testing.T, dir string, env []string, name string, args ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, name, args...)
	command.Dir, command.Env = dir, append(os.Environ(), env...)
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("%s %v: %v\n%s", filepath.Base(name), args, err, out)
	}
}

func TestTheRecipesNewFilesAreFormatted(t *testing.T) {
	for path, text := range follow(t) {
		if _, err := os.Stat(filepath.Join("..", path)); err == nil || filepath.Ext(path) != ".go" {
			continue
		}
		command := exec.CommandContext(t.Context(), "gofmt")
		command.Stdin = strings.NewReader(text)
		out, err := command.Output()
		if err != nil || !bytes.Equal(out, []byte(text)) {
			t.Errorf("%s is not as gofmt writes it: %v", path, err)
		}
	}
}

// Every path that the page names must be there.
func TestThePathsOnThePageExist(t *testing.T) {
	text, err := os.ReadFile(architecturePage)
	if err != nil {
		t.Fatal(err)
	}
	added := follow(t)
	paths := regexp.MustCompile("`([a-zA-Z0-9_./-]+/[a-zA-Z0-9_./-]+|\\.golangci\\.yml)`").FindAllStringSubmatch(string(text), -1)
	if len(paths) < 20 {
		t.Fatalf("only %d paths found", len(paths))
	}
	for _, match := range paths {
		path := match[1]
		if _, isNew := added[path]; isNew || path == "x/text" || strings.Contains(path, "NNNNN") {
			continue
		}
		if _, err := os.Stat(filepath.Join("..", path)); err != nil {
			t.Error(err)
		}
	}
}
