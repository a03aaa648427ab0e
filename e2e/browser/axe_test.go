//go:build browser

package browser_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"helfy/internal/browser"
)

// axe returns the source of axe-core, which npm fetches.
func axe(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(filepath.Join("testdata", "axe"))); err != nil {
		t.Fatal(err)
	}
	npm := exec.CommandContext(t.Context(), "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	npm.Dir = dir
	if said, err := npm.CombinedOutput(); err != nil {
		t.Fatalf("npm ci: %v\n%s", err, said)
	}
	source, err := os.ReadFile(filepath.Join(dir, "node_modules", "axe-core", "axe.min.js"))
	if err != nil {
		t.Fatal(err)
	}
	return string(source)
}

// violation is what axe-core finds wrong.
type violation struct {
	ID, Help string
	Nodes    []struct{ HTML, FailureSummary string }
}

// requireAccessible fails the test for whatever axe-core finds on the page, by
// the rules of WCAG 2.2 AA and those that it calls best practice, and if the
// page is wider than the window.
func requireAccessible(t *testing.T, tab *browser.Tab, axe, name string) {
	t.Helper()
	browser.Evaluate[bool](tab, "("+"()=>{"+axe+"\n;return true})()")
	for _, v := range browser.Evaluate[[]violation](tab, `axe.run(document, {resultTypes: ["violations"], runOnly: [
		"wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}).then(r => r.violations)`) {
		var where strings.Builder
		for _, node := range v.Nodes {
			fmt.Fprintf(&where, "\n  %s\n  %s", node.HTML, node.FailureSummary)
		}
		t.Errorf("%s: %s: %s%s", name, v.ID, v.Help, where.String())
	}
	if over := browser.Evaluate[int](tab, "document.documentElement.scrollWidth - innerWidth"); over > 0 {
		t.Errorf("%s is %d pixels wider than the window", name, over)
	}
}
