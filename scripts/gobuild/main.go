// Command gobuild builds the main package of a folder and shows how many
// packages it has compiled so far: the first build of TiDB takes minutes.
//
//	gobuild DIR OUTPUT LDFLAGS
package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"

	"golang.org/x/term"
)

func main() {
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "usage: gobuild DIR OUTPUT LDFLAGS")
		os.Exit(2)
	}
	if err := build(context.Background(), os.Args[1], os.Args[2], os.Args[3]); err != nil {
		fmt.Fprintln(os.Stderr, "gobuild:", err)
		os.Exit(1)
	}
}

// every is the time between two lines of progress where there is no terminal.
const every = 10 * time.Second

func build(ctx context.Context, dir, output, ldflags string) error {
	list := exec.CommandContext(ctx, "go", "list", "-deps", ".")
	list.Dir, list.Stderr = dir, os.Stderr
	deps, err := list.Output()
	if err != nil {
		return fmt.Errorf("list packages: %w", err)
	}
	total := bytes.Count(deps, []byte("\n"))

	command := exec.CommandContext(ctx, "go", "build", "-v", "-ldflags="+ldflags, "-o", output, ".")
	command.Dir = dir
	names, err := command.StderrPipe()
	if err != nil {
		return err
	}
	if err := command.Start(); err != nil {
		return err
	}
	other := watch(names, fmt.Sprintf("building %s", dir), total)
	if err := command.Wait(); err != nil {
		return fmt.Errorf("go build: %w\n%s", err, other)
	}
	return nil
}

// watch counts the compiled packages, a line each, until the build ends. It
// returns the last lines, in which the compiler says what is wrong.
func watch(names io.Reader, title string, total int) string {
	var (
		last     []string
		start    = time.Now()
		shown    = start
		terminal = term.IsTerminal(int(os.Stderr.Fd()))
		lines    = bufio.NewScanner(names)
	)
	done := 0
	for ; lines.Scan(); done++ {
		last = append(last, lines.Text())
		last = last[max(0, len(last)-20):]
		if terminal {
			fmt.Fprintf(os.Stderr, "\r%s: %d of at most %d packages, %s ", title, done+1, total, time.Since(start).Round(time.Second))
		} else if time.Since(shown) > every {
			fmt.Fprintf(os.Stderr, "%s: %d of at most %d packages, %s\n", title, done+1, total, time.Since(start).Round(time.Second))
			shown = time.Now()
		}
	}
	if terminal && done > 0 {
		fmt.Fprintln(os.Stderr)
	}
	var text bytes.Buffer
	for _, line := range last {
		fmt.Fprintln(&text, line)
	}
	return text.String()
}
