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
	"strings"

	"helfy/devstack/probe"
	"helfy/devstack/supervise"
)

const (
	tidbPart    = "tidb"
	kafkaPart   = "kafka"
	defaultData = ".dev"

	builtinKafka  = "builtin"
	externalKafka = "external"
	// kafkaCommand is the variable of the command that an external Kafka is.
	kafkaCommand = "DEVSTACK_KAFKA_COMMAND"
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
	kind := flags.String("kafka", builtinKafka, "`which` Kafka: builtin, or external, which is what "+
		kafkaCommand+" starts, or without it what runs at KAFKA_BROKERS")
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
	broker, brokers, err := chooseKafka(*kind, dir, kafka, getenv)
	if err != nil {
		return supervise.Config{}, err
	}
	executable, err := os.Executable()
	if err != nil {
		return supervise.Config{}, fmt.Errorf("find this program's file: %w", err)
	}
	return supervise.Config{
		Dir:        dir,
		Ephemeral:  *ephemeral,
		Parts:      []supervise.Part{newTiDB(dir, tidb, ticdc), broker},
		Command:    flags.Args(),
		Env:        environment(tidb, brokers, ticdc),
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

// chooseKafka returns a kind of Kafka as a part, and its brokers.
func chooseKafka(kind, dir string, port supervise.Port, getenv func(string) string) (part supervise.Part, brokers string, err error) {
	command, running := getenv(kafkaCommand), getenv("KAFKA_BROKERS")
	switch {
	case kind == builtinKafka:
		return newKafka(filepath.Join(dir, kafkaPart), port), port.Addr(), nil
	case kind != externalKafka:
		return part, "", fmt.Errorf("--kafka: %q is neither %s nor %s", kind, builtinKafka, externalKafka)
	case command != "":
		// Not in the builtin one's folder, which has other files.
		part = newKafka(filepath.Join(dir, kafkaPart, externalKafka), port)
		part.Args = append(part.Args, command)
		return part, port.Addr(), nil
	case running != "":
		first, _, _ := strings.Cut(running, ",")
		return supervise.Part{
			Name: kafkaPart, Foreign: running,
			Ready: func(ctx context.Context) error { return probe.Kafka(ctx, first) },
		}, running, nil
	}
	return part, "", fmt.Errorf("--kafka %s needs %s, or KAFKA_BROKERS for one that runs", externalKafka, kafkaCommand)
}

func newKafka(dir string, kafka supervise.Port) supervise.Part {
	return supervise.Part{
		Name:  kafkaPart,
		Args:  []string{kafkaPart, dir, strconv.Itoa(kafka.Number)},
		Ports: []supervise.Port{kafka},
		Ready: func(ctx context.Context) error { return probe.Kafka(ctx, kafka.Addr()) },
	}
}

// environment is what production sets, for this stack.
func environment(tidb supervise.Port, brokers string, ticdc supervise.Port) []string {
	return []string{
		"TIDB_HOST=127.0.0.1",
		"TIDB_PORT=" + strconv.Itoa(tidb.Number),
		"TIDB_USER=root",
		"TIDB_PASSWORD=",
		"TIDB_DATABASE=helfy",
		"KAFKA_BROKERS=" + brokers,
		"TICDC_URL=" + ticdcURL(ticdc),
	}
}

func ticdcURL(port supervise.Port) string { return "http://" + port.Addr() }
