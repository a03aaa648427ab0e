package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"

	"helfy/devstack/probe"
	"helfy/devstack/supervise"
)

const (
	tidbPart    = "tidb"
	kafkaPart   = "kafka"
	defaultData = ".dev"
)

func newFlags() *flag.FlagSet {
	flags := flag.NewFlagSet("devstack", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // errors are reported once, by main
	return flags
}

// parse parses the command line and answers a request for help.
func parse(flags *flag.FlagSet, args []string) error {
	err := flags.Parse(args)
	if errors.Is(err, flag.ErrHelp) {
		fmt.Print(usage)
		flags.SetOutput(os.Stdout)
		flags.PrintDefaults()
	}
	return err
}

// configure turns the command line into what is to run.
func configure(args []string, getenv func(string) string) (supervise.Config, error) {
	tidb := supervise.Port{Title: "TiDB", Flag: "--tidb-port", Env: "DEVSTACK_TIDB_PORT"}
	kafka := supervise.Port{Title: "Kafka", Flag: "--kafka-port", Env: "DEVSTACK_KAFKA_PORT"}
	ticdc := supervise.Port{Title: "TiCDC", Flag: "--ticdc-port", Env: "DEVSTACK_TICDC_PORT"}

	flags := newFlags()
	data := flags.String("data", "", "the `folder` that keeps data and logs (default "+defaultData+")")
	ephemeral := flags.Bool("ephemeral", false, "keep nothing: a temporary folder, and free ports where no flag gives one")
	flags.IntVar(&tidb.Number, "tidb-port", 0, "`port` of TiDB (default "+tidb.Env+" or 4000)")
	flags.IntVar(&kafka.Number, "kafka-port", 0, "`port` of Kafka (default "+kafka.Env+" or 9092)")
	flags.IntVar(&ticdc.Number, "ticdc-port", 0, "`port` of TiCDC's API (default "+ticdc.Env+" or 8300)")
	if err := parse(flags, args); err != nil {
		return supervise.Config{}, err
	}
	if flags.NArg() == 0 {
		return supervise.Config{}, errors.New("no command: devstack [flags] -- COMMAND… (see --help)")
	}
	if *ephemeral && *data != "" {
		return supervise.Config{}, errors.New("--data and --ephemeral exclude each other")
	}
	dir, err := dataDir(*data, *ephemeral)
	if err != nil {
		return supervise.Config{}, err
	}
	ports := map[*supervise.Port]int{&tidb: 4000, &kafka: 9092, &ticdc: 8300}
	if err := setPorts(ports, *ephemeral, getenv); err != nil {
		return supervise.Config{}, err
	}
	executable, err := os.Executable()
	if err != nil {
		return supervise.Config{}, fmt.Errorf("find this program's file: %w", err)
	}
	return supervise.Config{
		Dir:        dir,
		Ephemeral:  *ephemeral,
		Parts:      []supervise.Part{newTiDB(dir, tidb, ticdc), newKafka(dir, kafka)},
		Command:    flags.Args(),
		Env:        environment(tidb, kafka, ticdc),
		Stderr:     os.Stderr,
		Executable: executable,
		Limits:     supervise.DefaultLimits,
	}, nil
}

func dataDir(data string, ephemeral bool) (string, error) {
	switch {
	case ephemeral:
		return supervise.TempDir(), nil
	case data == "":
		data = defaultData
	}
	dir, err := filepath.Abs(data)
	if err != nil {
		return "", fmt.Errorf("find the data folder: %w", err)
	}
	return dir, nil
}

// setPorts fills in the ports that no flag has set: from the environment or the
// default, or with free ones when ephemeral, so that such a stack can run
// beside any other.
func setPorts(defaults map[*supervise.Port]int, ephemeral bool, getenv func(string) string) error {
	var free []int
	var err error
	if ephemeral {
		if free, err = supervise.FreePorts(len(defaults)); err != nil {
			return err
		}
	}
	for p, number := range defaults {
		switch text := getenv(p.Env); {
		case p.Number != 0:
			number = p.Number
		case ephemeral:
			number, free = free[0], free[1:]
		case text != "":
			if number, err = strconv.Atoi(text); err != nil {
				return fmt.Errorf("%s: %q is not a port", p.Env, text)
			}
		}
		if number < 1 || number > 65535 {
			return fmt.Errorf("%s or %s: %d is not a port (1 to 65535)", p.Flag, p.Env, number)
		}
		p.Number = number
	}
	return nil
}

// newTiDB is TiDB with the change feed. It comes first, because parts are
// stopped in order and the feed writes to Kafka.
func newTiDB(dir string, tidb, ticdc supervise.Port) supervise.Part {
	return supervise.Part{
		Name:  tidbPart,
		Args:  []string{tidbPart, filepath.Join(dir, tidbPart), strconv.Itoa(tidb.Number), strconv.Itoa(ticdc.Number)},
		Ports: []supervise.Port{tidb, ticdc},
		Ready: func(ctx context.Context) error {
			if err := probe.MySQL(ctx, tidb.Addr()); err != nil {
				return err
			}
			return probe.HTTP(ctx, ticdcURL(ticdc)+"/api/v2/health")
		},
	}
}

func newKafka(dir string, kafka supervise.Port) supervise.Part {
	return supervise.Part{
		Name:  kafkaPart,
		Args:  []string{kafkaPart, filepath.Join(dir, kafkaPart), strconv.Itoa(kafka.Number)},
		Ports: []supervise.Port{kafka},
		Ready: func(ctx context.Context) error { return probe.Kafka(ctx, kafka.Addr()) },
	}
}

// environment is what production sets, for this stack.
func environment(tidb, kafka, ticdc supervise.Port) []string {
	return []string{
		"TIDB_HOST=127.0.0.1",
		"TIDB_PORT=" + strconv.Itoa(tidb.Number),
		"TIDB_USER=root",
		"TIDB_PASSWORD=",
		"TIDB_DATABASE=helfy",
		"KAFKA_BROKERS=" + kafka.Addr(),
		"TICDC_URL=" + ticdcURL(ticdc),
	}
}

func ticdcURL(port supervise.Port) string { return "http://" + port.Addr() }
