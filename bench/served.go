package main

import (
	"bufio"
	"bytes"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"helfy/domain"
	"helfy/internal/stack"
	"helfy/service"
)

// userCount is so great that the logins of one user seldom wait for one
// another.
const userCount = 64

// served is bin/helfy, and how to see what it uses.
type served struct {
	*stack.Client
	metrics *stack.Client
}

func newConfig(r *run) service.Config {
	config := stack.New(r)
	config.LogLevel = "error"
	return config
}

// start runs a command of bin/helfy that serves HTTP.
func start(r *run, config service.Config, command string) served {
	config.MetricsAddress = fmt.Sprintf("127.0.0.1:%d", stack.FreePort(r))
	config.LogLevel = "info" // tells the address
	process := stack.Start(r, config, command)
	return served{Client: stack.NewClient(process.Address(r)), metrics: stack.NewClient("http://" + config.MetricsAddress)}
}

// addUsers makes users whose passwords are their names.
func addUsers(r *run, config service.Config) {
	r.progress("%d users", userCount)
	for i := range userCount {
		stack.AddUser(r, config, userName(i), domain.RoleUser)
	}
}

func userName(i int) string { return "user-" + strconv.Itoa(i%userCount) }

// cpu returns the CPU time that the process has used so far, to 10 ms.
func (s served) cpu(r *run) time.Duration {
	seconds := s.metric(r, "process_cpu_seconds_total")
	return time.Duration(seconds * float64(time.Second))
}

// metric returns the value of a metric without labels.
func (s served) metric(r *run, name string) float64 {
	response, body, err := s.metrics.Do(r.Context(), http.MethodGet, "/metrics", "", "")
	r.must(err)
	if response.StatusCode != http.StatusOK {
		r.Fatalf("metrics: %s", response.Status)
	}
	for lines := bufio.NewScanner(bytes.NewReader(body)); lines.Scan(); {
		if text, found := strings.CutPrefix(lines.Text(), name+" "); found {
			value, err := strconv.ParseFloat(text, 64)
			r.must(err)
			return value
		}
	}
	r.Fatalf("there is no metric %s", name)
	return 0
}
