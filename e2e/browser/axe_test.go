//go:build browser

package browser_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"helfy/internal/browser"
)

// axe returns the source of axe-core, which npm fetches for the first that asks.
func axe(t *testing.T) string {
	t.Helper()
	source, err := fetchAxe()
	if err != nil {
		t.Fatal(err)
	}
	return source
}

// npmTimeout bounds a try to fetch it.
const npmTimeout = 2 * time.Minute

var fetchAxe = sync.OnceValues(func() (source string, err error) {
	dir, err := os.MkdirTemp("", "axe")
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := os.CopyFS(dir, os.DirFS(filepath.Join("testdata", "axe"))); err != nil {
		return "", err
	}
	if err := installIn(dir); err != nil {
		if again := installIn(dir); again != nil { // a registry may fail once
			return "", errors.Join(err, again)
		}
	}
	text, err := os.ReadFile(filepath.Join(dir, "node_modules", "axe-core", "axe.min.js"))
	return string(text), err
})

func installIn(dir string) error {
	ctx, cancel := context.WithTimeout(context.Background(), npmTimeout)
	defer cancel()
	npm := exec.CommandContext(ctx, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	npm.Dir, npm.WaitDelay = dir, 10*time.Second
	if said, err := npm.CombinedOutput(); err != nil {
		return fmt.Errorf("npm ci: %w\n%s", err, said)
	}
	return nil
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
