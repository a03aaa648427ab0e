package main

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"
)

// measurement is one part of the table.
type measurement struct {
	name string
	run  func(*run)
}

// run is one measurement under way. It is a testing.TB, so that what tests set
// up serves measurements too: a failure ends the measurement, and what it made
// is removed.
type run struct {
	testing.TB
	ctx   context.Context
	name  string
	small bool
	// largest bounds the messages of a history.
	largest int
	// say prints what is under way, and what went wrong.
	say   func(string)
	lines []line
}

// Context overrides that of testing.TB with one that has the deadline.
func (r *run) Context() context.Context { return r.ctx }

// measure returns the lines of a measurement, and whether it came to its end.
func (m measurement) measure(ctx context.Context, given flags) (lines []line, ok bool) {
	began := time.Now()
	say := func(text string) {
		fmt.Fprintf(os.Stderr, "%-10s %5.1fs  %s\n", m.name, time.Since(began).Seconds(), text)
	}
	ctx, cancel := context.WithTimeout(ctx, given.Timeout)
	defer cancel()
	testing.Benchmark(func(b *testing.B) {
		r := &run{TB: b, ctx: ctx, name: m.name, small: given.Small, largest: given.Largest, say: say}
		defer func() {
			lines = r.lines
			// Also after FailNow, which ends the goroutine.
			ok = !b.Failed()
		}()
		m.run(r)
	})
	return lines, ok
}

// size returns the size of something, another one if the run is a small one.
func size[T any](r *run, full, small T) T {
	if r.small {
		return small
	}
	return full
}

// progress says what is under way.
func (r *run) progress(format string, args ...any) { r.say(fmt.Sprintf(format, args...)) }

// add adds a line to the table.
func (r *run) add(l line) {
	l.Measurement = r.name
	r.lines = append(r.lines, l)
	r.say(l.String())
}

// must ends the measurement if there is an error.
func (r *run) must(err error) {
	r.Helper()
	if err != nil {
		r.Fatal(err)
	}
}

// What is told of failures must be seen: testing.Benchmark drops it.

// Error implements testing.TB.
func (r *run) Error(args ...any) { r.say(fmt.Sprint(args...)); r.TB.Error(args...) }

// Errorf implements testing.TB.
func (r *run) Errorf(format string, args ...any) { r.Error(fmt.Sprintf(format, args...)) }

// Logf implements testing.TB. Of what is told, only what comes after a failure
// matters.
func (r *run) Logf(format string, args ...any) {
	if r.Failed() {
		r.say(fmt.Sprintf(format, args...))
	}
}

// Fatal implements testing.TB.
func (r *run) Fatal(args ...any) { r.Error(args...); r.FailNow() }

// Fatalf implements testing.TB.
func (r *run) Fatalf(format string, args ...any) { r.Fatal(fmt.Sprintf(format, args...)) }
