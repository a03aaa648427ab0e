// Command devstack runs a command beside a real TiDB, Kafka and change feed,
// without containers.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"strconv"
	"time"

	"helfy/devstack/kafka"
	"helfy/devstack/supervise"
	"helfy/devstack/tidb"
)

const usage = `devstack runs COMMAND beside a real TiDB, Kafka and change feed.

  devstack [--data DIR | --ephemeral] [--kafka builtin|external]
           [--tidb-port N] [--kafka-port N] [--ticdc-port N] -- COMMAND…
  devstack ctl [--data DIR] kill|start|restart tidb|kafka
  devstack reset [--data DIR]

COMMAND finds them by TIDB_HOST, TIDB_PORT, TIDB_USER, TIDB_PASSWORD, TIDB_DATABASE,
KAFKA_BROKERS and TICDC_URL. Signals are passed on to it. When it ends, everything
stops, and its exit code is devstack's; 125 is a failure of devstack itself.
DEVSTACK_GC_TTL sets TiCDC's gc-ttl, 24h unless it is there.

ctl kills (SIGKILL), starts or restarts a part while COMMAND lives. It finds the
devstack by DEVSTACK_CTL, which COMMAND has, or by its data folder. A part that ends
by itself is reported and COMMAND goes on, as it must when a real one is away.

--kafka external is another Kafka than the builtin one. DEVSTACK_KAFKA_COMMAND starts
it: words of a shell's that get two arguments, the port and the data folder, and
become the broker. Without that variable it is what runs at KAFKA_BROKERS, which
devstack neither starts nor stops.

reset removes the data folder, unless a devstack uses it.

`

func main() {
	code, err := run(os.Args[1:])
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "devstack:", err)
	}
	os.Exit(code)
}

func run(args []string) (code int, err error) {
	if len(args) > 1 && args[0] == supervise.RoleVerb {
		return role(args[1], args[2:]), nil
	}
	switch {
	case len(args) > 0 && args[0] == "ctl":
		err = ctl(args[1:])
	case len(args) > 0 && args[0] == "reset":
		err = reset(args[1:])
	default:
		var cfg supervise.Config
		if cfg, err = configure(args, os.Getenv); err == nil {
			return supervise.Run(cfg)
		}
	}
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		code = supervise.ExitFailure
	}
	return code, err
}

// role runs this process as a part, or in one of the supervisor's own roles.
func role(name string, args []string) int {
	limit := supervise.DefaultLimits.Stop
	switch {
	case name == tidbPart && len(args) == 3:
		return supervise.ServePart(limit, func(ctx context.Context) error {
			ports, err := atoi(args[1:])
			if err != nil {
				return err
			}
			ttl, err := gcTTL()
			if err != nil {
				return err
			}
			return tidb.Run(ctx, tidb.Config{DataDir: args[0], TiDBPort: ports[0], TiCDCPort: ports[1], GCTTL: ttl})
		})
	case name == kafkaPart && (len(args) == 2 || len(args) == 3):
		return supervise.ServePart(limit, func(ctx context.Context) error {
			ports, err := atoi(args[1:2])
			if err != nil {
				return err
			}
			cfg := kafka.Config{DataDir: args[0], Port: ports[0]}
			if len(args) == 3 {
				return kafka.RunCommand(ctx, cfg, args[2], limit-time.Second)
			}
			return kafka.Run(ctx, cfg)
		})
	}
	return supervise.Role(name, args)
}

// gcTTLEnv is the environment variable that sets TiCDC's gc-ttl, for tests of
// what comes after it.
const gcTTLEnv = "DEVSTACK_GC_TTL"

func gcTTL() (time.Duration, error) {
	text := os.Getenv(gcTTLEnv)
	if text == "" {
		return 0, nil
	}
	ttl, err := time.ParseDuration(text)
	if err != nil || ttl < time.Second {
		return 0, fmt.Errorf("%s: want a duration of at least 1s, got %q", gcTTLEnv, text)
	}
	return ttl, nil
}

func atoi(texts []string) ([]int, error) {
	var numbers []int
	for _, text := range texts {
		n, err := strconv.Atoi(text)
		if err != nil {
			return nil, err
		}
		numbers = append(numbers, n)
	}
	return numbers, nil
}

func reset(args []string) error {
	flags := newFlags()
	data := flags.String("data", "", "the data `folder` to remove (default "+defaultData+")")
	if err := parse(flags, args); err != nil {
		return err
	}
	if flags.NArg() != 0 {
		return fmt.Errorf("reset takes no arguments, got %q", flags.Args())
	}
	dir, err := dataDir(*data, false)
	if err != nil {
		return err
	}
	return supervise.RemoveDir(dir, supervise.DefaultLimits.Stop)
}

func ctl(args []string) error {
	flags := newFlags()
	data := flags.String("data", "", "the data `folder` of the devstack (default: that of DEVSTACK_CTL, or "+defaultData+")")
	if err := parse(flags, args); err != nil {
		return err
	}
	if flags.NArg() != 2 {
		return errors.New("ctl wants an order and a part: ctl kill|start|restart tidb|kafka")
	}
	socket := os.Getenv(supervise.SocketEnv)
	if socket == "" || *data != "" {
		dir, err := dataDir(*data, false)
		if err != nil {
			return err
		}
		if socket, err = supervise.FindSocket(dir); err != nil {
			return err
		}
	}
	return supervise.Control(socket, flags.Arg(0), flags.Arg(1))
}
