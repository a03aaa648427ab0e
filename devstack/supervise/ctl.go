package supervise

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// SocketEnv is the environment variable by which the command, and a ctl that
// it runs, find their supervisor.
const SocketEnv = "DEVSTACK_CTL"

// The ctl protocol: the client writes a line "VERB PART", the server answers
// with "ok" or the text of an error and closes the connection.
const (
	ctlOK        = "ok"
	ctlLineLimit = 5 * time.Second
)

// socketPath returns a new path for the ctl socket, in a folder of its own. It
// is short: a socket's is limited to about 100 bytes.
func socketPath() string {
	path := filepath.Join(TempDir(), "ctl")
	if len(path) > 90 {
		path = filepath.Join("/tmp", filepath.Base(filepath.Dir(path)), "ctl")
	}
	return path
}

// listenCtl listens on a socket in a new folder that only this user can enter.
func listenCtl(path string) (net.Listener, error) {
	if err := os.Mkdir(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("make a folder for the ctl socket: %w", err)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("listen for ctl: %w", err)
	}
	return l, nil
}

// serveCtl serves until the listener is closed, and returns when the last
// answer is given. The end of ctx cuts a start short.
func serveCtl(ctx context.Context, l net.Listener, parts []*part) {
	var wg sync.WaitGroup
	defer wg.Wait()
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		wg.Go(func() {
			defer conn.Close()
			answer := ctlOK
			if err := obey(ctx, conn, parts); err != nil {
				answer = err.Error()
			}
			// A client that has gone away needs no answer.
			_, _ = io.WriteString(conn, answer)
		})
	}
}

func obey(ctx context.Context, conn net.Conn, parts []*part) error {
	if err := conn.SetDeadline(time.Now().Add(ctlLineLimit)); err != nil {
		return err
	}
	line, err := bufio.NewReader(io.LimitReader(conn, 256)).ReadString('\n')
	if err != nil {
		return fmt.Errorf("read the order: %w", err)
	}
	if err := conn.SetDeadline(time.Time{}); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return errors.New("devstack is stopping")
	}
	verb, name, _ := strings.Cut(strings.TrimSpace(line), " ")
	p, err := findPart(parts, name)
	if err != nil {
		return err
	}
	if p.Foreign != "" {
		return fmt.Errorf("%s runs at %s without devstack, which neither starts nor stops it", p.Name, p.Foreign)
	}
	switch verb {
	case "kill":
		return p.kill()
	case "start":
		return p.start(ctx)
	case "restart":
		return p.restart(ctx)
	}
	return fmt.Errorf("unknown order %q: kill, start or restart", verb)
}

func findPart(parts []*part, name string) (*part, error) {
	var names []string
	for _, p := range parts {
		if p.Name == name {
			return p, nil
		}
		names = append(names, p.Name)
	}
	return nil, fmt.Errorf("unknown part %q: %s", name, strings.Join(names, " or "))
}

// Control has the supervisor behind a socket kill, start or restart a part,
// and returns when that is done: killed and gone, or started and ready.
func Control(socket, verb, part string) error {
	conn, err := net.Dial("unix", socket)
	if err != nil {
		return fmt.Errorf("no devstack is running here: %w", err)
	}
	defer conn.Close()
	limits := DefaultLimits
	if err := conn.SetDeadline(time.Now().Add(limits.Ready + limits.Stop + 2*killLimit)); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(conn, "%s %s\n", verb, part); err != nil {
		return fmt.Errorf("ask devstack: %w", err)
	}
	answer, err := io.ReadAll(conn)
	switch {
	case err != nil:
		return fmt.Errorf("ask devstack: %w", err)
	case len(answer) == 0:
		return errors.New("devstack ended before it answered")
	case string(answer) != ctlOK:
		return errors.New(string(answer))
	}
	return nil
}

// FindSocket returns the socket of the supervisor that holds a data folder.
func FindSocket(dir string) (string, error) {
	_, socket, err := readHolder(dir)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !answers(socket) {
		return "", fmt.Errorf("no devstack is running on the data folder %s", dir)
	}
	if err != nil {
		return "", fmt.Errorf("read who holds the data folder %s: %w", dir, err)
	}
	return socket, nil
}

// answers tells whether the supervisor behind a socket lives.
func answers(socket string) bool {
	conn, err := net.Dial("unix", socket)
	if err != nil {
		return false
	}
	conn.Close()
	return true
}
