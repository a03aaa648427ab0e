// Package tlsfiles makes TLS configurations of files in PEM.
package tlsfiles

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
)

// Files are where the certificates of a connection are.
type Files struct {
	// CA holds the certificates of the authorities that may have signed the
	// server's; those of the system if it is empty.
	CA string
	// Cert and Key are the client's own certificate and its private key, none
	// if they are empty.
	Cert, Key string
}

// Config reads the files and returns the settings of a client of the server of
// a name, which may be empty where the library knows it. Its errors name the
// file.
func (f Files) Config(serverName string) (*tls.Config, error) {
	config := &tls.Config{ServerName: serverName, MinVersion: tls.VersionTLS12}
	if f.CA != "" {
		text, err := os.ReadFile(f.CA)
		if err != nil {
			return nil, fmt.Errorf("read certificates of authorities: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("read certificates of authorities: %s has none in PEM", f.CA)
		}
	}
	if f.Cert != "" || f.Key != "" {
		pair, err := tls.LoadX509KeyPair(f.Cert, f.Key)
		if err != nil {
			return nil, fmt.Errorf("read the client's certificate %s with its key %s: %w", f.Cert, f.Key, err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}
