package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
)

// machine describes what a run ran on. What the system does not tell is empty.
type machine struct {
	CPU    string `json:"cpu"`
	CPUs   int    `json:"cpus"`
	Memory string `json:"memory"`
	System string `json:"system"`
	Go     string `json:"go"`
	// Load is the load average of the minute before the run.
	Load string `json:"load"`
}

func describeMachine() machine {
	load, _, _ := strings.Cut(read("/proc/loadavg"), " ")
	return machine{
		CPU:    field(read("/proc/cpuinfo"), "model name"),
		CPUs:   runtime.NumCPU(),
		Memory: gibibytes(field(read("/proc/meminfo"), "MemTotal")),
		System: runtime.GOOS + "/" + runtime.GOARCH,
		Go:     runtime.Version(),
		Load:   load,
	}
}

// String is the description on one line.
func (m machine) String() string {
	return fmt.Sprintf("%d CPUs (%s), %s, %s, %s, load average before: %s", m.CPUs, m.CPU, m.Memory, m.System, m.Go, m.Load)
}

// read returns a file of Linux's, or nothing elsewhere.
func read(path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return string(text)
}

// field returns the value of the first line "name : value".
func field(text, name string) string {
	for line := range strings.Lines(text) {
		if key, value, found := strings.Cut(line, ":"); found && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// gibibytes turns "1048576 kB" into "1 GiB".
func gibibytes(text string) string {
	kib, err := strconv.ParseFloat(strings.TrimSuffix(text, " kB"), 64)
	if err != nil {
		return ""
	}
	return fmt.Sprintf("%.0f GiB", kib/(1<<20))
}

// resident returns the greatest resident size of a process so far in MB, 0 where
// the system does not tell. The rusage of a child is of no use for that: it
// begins with the size of the parent.
func resident(pid int) float64 {
	size := field(read(fmt.Sprintf("/proc/%d/status", pid)), "VmHWM")
	kib, err := strconv.ParseFloat(strings.TrimSuffix(size, " kB"), 64)
	if err != nil {
		return 0
	}
	return kib / (1 << 10)
}
