package supervise

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
)

// Port is a port on the loopback interface, with what an error about it names.
type Port struct {
	Number int
	// Title is what listens there.
	Title string
	// Flag and Env are the option and the environment variable that change it.
	Flag, Env string
}

// Addr is the port's address.
func (p Port) Addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(p.Number)) }

// checkPorts returns an error that names the first port that is taken.
func checkPorts(ports []Port) error {
	for _, p := range ports {
		l, err := net.Listen("tcp", p.Addr())
		if err != nil {
			return fmt.Errorf("port %d for %s cannot be had; choose another with %s or %s: %w",
				p.Number, p.Title, p.Flag, p.Env, err)
		}
		// Held until all are checked, so that one number for two is noticed.
		defer l.Close()
	}
	return nil
}

// FreePorts returns n different ports that nobody listens on. They lie below
// the range from which the kernel takes the local ports of connections, so
// that none is taken while its listener is restarted.
func FreePorts(n int) ([]int, error) {
	const low, high, tries = 20000, 32000, 100
	var ports []int
	for range tries {
		if len(ports) == n {
			return ports, nil
		}
		p := Port{Number: low + rand.IntN(high-low)}
		l, err := net.Listen("tcp", p.Addr())
		if err != nil {
			continue
		}
		// Held until all are found, so that they differ.
		defer l.Close()
		ports = append(ports, p.Number)
	}
	return nil, fmt.Errorf("no %d free ports between %d and %d found in %d tries", n, low, high, tries)
}
