package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestPortsComeFromFlagEnvironmentOrDefault(t *testing.T) {
	env := map[string]string{"DEVSTACK_KAFKA_PORT": "19092", "DEVSTACK_TICDC_PORT": "18300"}
	cfg, err := configure([]string{"--ticdc-port", "28300", "--", "true"}, func(name string) string { return env[name] })
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"TIDB_HOST=127.0.0.1", "TIDB_PORT=4000", "TIDB_USER=root", "TIDB_PASSWORD=", "TIDB_DATABASE=helfy",
		"KAFKA_BROKERS=127.0.0.1:19092", "TICDC_URL=http://127.0.0.1:28300",
	}
	if !slices.Equal(cfg.Env, want) {
		t.Errorf("got %q, want %q", cfg.Env, want)
	}
}

func TestDataFolderIsDotDevUnlessGiven(t *testing.T) {
	t.Chdir(t.TempDir())
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for want, args := range map[string][]string{".dev": {"true"}, "other": {"--data", "other", "true"}} {
		cfg, err := configure(args, noEnv)
		if err != nil {
			t.Fatal(err)
		}
		if cfg.Dir != filepath.Join(here, want) || cfg.Ephemeral {
			t.Errorf("%v: folder %s (ephemeral %v), want %s", args, cfg.Dir, cfg.Ephemeral, want)
		}
	}
}

func TestEphemeralChoosesItsPortsButForFlags(t *testing.T) {
	// A developer's own ports are for the lasting stack, which may be running.
	env := func(string) string { return "4000" }
	cfg, err := configure([]string{"--ephemeral", "--kafka-port", "9092", "--", "true"}, env)
	if err != nil {
		t.Fatal(err)
	}
	var got []int
	for _, part := range cfg.Parts {
		for _, port := range part.Ports {
			got = append(got, port.Number)
		}
	}
	if len(got) != 3 || got[0] < 20000 || got[1] < 20000 || got[0] == got[1] || got[2] != 9092 {
		t.Errorf("ports %v, want two different free ones and 9092", got)
	}
	if !cfg.Ephemeral {
		t.Error("the folder would stay")
	}
}

func TestBadCommandLineIsExplained(t *testing.T) {
	tests := map[string]struct {
		args []string
		env  string
		want string
	}{
		"no command":         {args: nil, want: "no command"},
		"two kinds of data":  {args: []string{"--ephemeral", "--data", "x", "true"}, want: "--data and --ephemeral"},
		"port out of range":  {args: []string{"--tidb-port", "70000", "true"}, want: "--tidb-port or DEVSTACK_TIDB_PORT: 70000"},
		"unknown Kafka":      {args: []string{"--kafka", "real", "true"}, want: `--kafka: "real" is neither builtin nor external`},
		"no external Kafka":  {args: []string{"--kafka", "external", "true"}, want: "needs DEVSTACK_KAFKA_COMMAND, or KAFKA_BROKERS"},
		"variable no number": {args: []string{"true"}, env: "abc", want: `"abc" is not a port`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := configure(test.args, func(string) string { return test.env })
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %s", err, test.want)
			}
		})
	}
}

func TestAnExternalKafkaIsACommandOrRunsAlready(t *testing.T) {
	const command, port = "'/opt/a kafka/serve' --fast", "29092"
	for name, test := range map[string]struct {
		env     map[string]string
		args    []string
		foreign string
		brokers string
	}{
		"a command": {
			env:  map[string]string{"DEVSTACK_KAFKA_COMMAND": command, "KAFKA_BROKERS": "10.0.0.1:9092"},
			args: []string{"kafka", filepath.Join("kafka", "external"), port, command}, brokers: "127.0.0.1:" + port,
		},
		"one that runs": {
			env:     map[string]string{"KAFKA_BROKERS": "10.0.0.1:9092,10.0.0.2:9092"},
			foreign: "10.0.0.1:9092,10.0.0.2:9092", brokers: "10.0.0.1:9092,10.0.0.2:9092",
		},
	} {
		t.Run(name, func(t *testing.T) {
			cfg, err := configure([]string{"--kafka", "external", "--kafka-port", port, "true"}, func(name string) string { return test.env[name] })
			if err != nil {
				t.Fatal(err)
			}
			part := cfg.Parts[1]
			if len(part.Args) > 1 {
				if part.Args[1], err = filepath.Rel(cfg.Dir, part.Args[1]); err != nil {
					t.Fatal(err)
				}
			}
			if part.Name != "kafka" || !slices.Equal(part.Args, test.args) || part.Foreign != test.foreign || (len(part.Ports) == 0) != (test.foreign != "") {
				t.Errorf("got %+v", part)
			}
			if want := "KAFKA_BROKERS=" + test.brokers; !slices.Contains(cfg.Env, want) {
				t.Errorf("got %q, want %s", cfg.Env, want)
			}
		})
	}
}

func noEnv(string) string { return "" }
