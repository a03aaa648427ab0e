// Package probe tells whether a server answers in its own protocol.
package probe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Kafka returns nil once a broker answers ApiVersions and Metadata.
func Kafka(ctx context.Context, addr string) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.RequestRetries(0))
	if err != nil {
		return err
	}
	defer client.Close()
	return client.Ping(ctx)
}

// MySQL returns nil once a server greets with the handshake of the MySQL
// protocol, version 10.
func MySQL(ctx context.Context, addr string) error {
	const headerLen, handshakeV10 = 4, 10
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	greeting := make([]byte, headerLen+1)
	if _, err := io.ReadFull(conn, greeting); err != nil {
		return errors.Join(err, ctx.Err())
	}
	if greeting[headerLen] != handshakeV10 {
		return fmt.Errorf("%s does not greet as MySQL does: % x", addr, greeting)
	}
	return nil
}

// HTTP returns nil once a GET of url answers 200.
func HTTP(ctx context.Context, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("GET %s: %s", url, res.Status)
	}
	return nil
}
