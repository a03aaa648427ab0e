// Command bench measures the service on a running devstack and prints a table.
// Each figure that depends on the machine stands beside another one of the
// same run, so that their ratio tells more than the machine's mood.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/alecthomas/kong"
)

// measurements are in the order of the table.
var measurements = []measurement{
	{name: "login", run: measureLogin},
	{name: "overload", run: measureOverload},
	{name: "token", run: measureToken},
	{name: "freshness", run: measureFreshness},
	{name: "viewers", run: measureViewers},
	{name: "live", run: measureLive},
	{name: "rebuild", run: measureRebuild},
	{name: "idle", run: measureIdle},
	{name: "audit", run: measureAudit},
}

type flags struct {
	Only    []string      `placeholder:"NAME" help:"Measure only these: ${names}."`
	Largest int           `default:"1000000" help:"Messages of the largest history that is rebuilt or read."`
	Small   bool          `help:"Tiny sizes, to see whether all of it runs; the figures mean nothing."`
	JSON    bool          `name:"json" help:"Print one JSON object instead of the table."`
	Timeout time.Duration `default:"30m" help:"Bound of each measurement."`
	Profile string        `placeholder:"DIR" type:"existingdir" help:"Write a CPU profile of bench itself during each measurement there."`
}

func main() {
	testing.Init() // before the flags of testing can be set
	if err := flag.Set("test.benchtime", "1x"); err != nil {
		panic(err)
	}
	names := make([]string, len(measurements))
	for i, m := range measurements {
		names[i] = m.name
	}
	var given flags
	kong.Parse(&given, kong.Name("bench"), kong.Vars{"names": strings.Join(names, ", ")})
	for _, name := range given.Only {
		if !slices.Contains(names, name) {
			fmt.Fprintf(os.Stderr, "bench: there is no measurement %q\n", name)
			os.Exit(2)
		}
	}
	if err := bench(given); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func bench(given flags) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	all, err := measureAll(ctx, given)
	return errors.Join(err, print(given, all))
}

// result is what a run prints.
type result struct {
	Date    string  `json:"date"`
	Machine machine `json:"machine"`
	Lines   []line  `json:"lines"`
}

// measureAll goes on after a measurement that fails, and says which did.
func measureAll(ctx context.Context, given flags) (result, error) {
	all := result{Date: time.Now().UTC().Format(time.DateOnly), Machine: describeMachine()}
	var failed []error
	for _, m := range measurements {
		if len(given.Only) > 0 && !slices.Contains(given.Only, m.name) {
			continue
		}
		stop, err := profile(given.Profile, m.name)
		if err != nil {
			return all, err
		}
		lines, ok := m.measure(ctx, given)
		if !ok {
			failed = append(failed, fmt.Errorf("%s failed", m.name))
		}
		failed = append(failed, stop())
		all.Lines = append(all.Lines, lines...)
	}
	return all, errors.Join(failed...)
}

func print(given flags, all result) error {
	if given.JSON {
		return json.NewEncoder(os.Stdout).Encode(all)
	}
	if _, err := fmt.Printf("%s, devstack, %s\n\n", all.Date, all.Machine); err != nil {
		return err
	}
	return writeTable(os.Stdout, all.Lines)
}
