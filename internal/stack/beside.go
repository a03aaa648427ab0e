package stack

import (
	"strings"
	"sync"
	"testing"
)

// besides has the tests that run beside others.
var besides sync.Map

// runBeside lets a test run beside others from here on. A subtest and a
// benchmark run alone.
func runBeside(t testing.TB) {
	t.Helper()
	test, ok := t.(*testing.T)
	if !ok || strings.Contains(t.Name(), "/") {
		return
	}
	if _, already := besides.LoadOrStore(t, nil); !already {
		t.Cleanup(func() { besides.Delete(t) })
		test.Parallel()
	}
}
