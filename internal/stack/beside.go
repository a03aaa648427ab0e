package stack

import (
	"strings"
	"sync"
	"testing"
)

// besides has the tests that it is settled for whether they run beside others.
var besides sync.Map

// Alone keeps a test from running beside others, as one must that measures the
// process. It comes before anything else.
func Alone(t *testing.T) {
	besides.Store(t, nil)
	t.Cleanup(func() { besides.Delete(t) })
}

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
