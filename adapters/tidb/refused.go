package tidb

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"database/sql/driver"
	"errors"
	"fmt"
	"net"

	"github.com/go-sql-driver/mysql"
)

// ErrRefused says that TiDB was reached and that it and the client do not get
// on: another try does not help, the configuration must be changed. The error
// that wraps it names the variable.
var ErrRefused = errors.New("refused")

// explained is a connector whose errors say which variable to look at.
type explained struct {
	driver.Connector
	user string
}

// Connect implements driver.Connector.
func (e explained) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := e.Connector.Connect(ctx)
	if look := e.variableOf(err); look != "" {
		return nil, fmt.Errorf("%w: connect to TiDB as %s: look at %s: %w", ErrRefused, e.user, look, err)
	}
	return conn, err
}

func (e explained) variableOf(err error) string {
	var (
		certificate *tls.CertificateVerificationError
		host        x509.HostnameError
		remote      *net.OpError
	)
	switch {
	case errors.As(err, &host):
		return "TIDB_HOST, which must be a name in the server's certificate"
	case errors.As(err, &certificate):
		return "TIDB_SSL_CA"
	case errors.As(err, &remote) && remote.Op == "remote error":
		return "TIDB_SSL_CERT and TIDB_SSL_KEY"
	case errors.Is(err, mysql.ErrNoTLS):
		return "TIDB_SSL, because the server does not speak TLS"
	case errorCode(err) == codeInsecure:
		return "TIDB_SSL, because the server wants TLS"
	case errorCode(err) == codeAccessDenied:
		return "TIDB_USER and TIDB_PASSWORD, or at TIDB_SSL if the account must use TLS"
	case errorCode(err) == codeDatabaseDenied:
		return "TIDB_DATABASE, of which the account may see nothing"
	}
	return ""
}
