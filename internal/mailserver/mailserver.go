// Package mailserver gives tests a real SMTP server.
package mailserver

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"net"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// Protection says how connections to the server are protected.
type Protection int

// The kinds of protection.
const (
	None Protection = iota
	StartTLS
	TLS
)

// Username and Password are what the server lets sign in, with TLS only.
const (
	Username = "helfy"
	Password = "planted mail password"
)

// Server is an SMTP server that keeps what it is sent. It is safe for
// concurrent use.
type Server struct {
	Address string
	// Roots trusts the server's certificate, which is for 127.0.0.1.
	Roots *tls.Config

	mu     sync.Mutex
	got    Got
	refuse *smtp.SMTPError
}

// Got is what a server was sent.
type Got struct {
	Mails []string
	// To are the receivers of all mails.
	To []string
	// Login is who has signed in last.
	Login string
}

// Serve starts a server that ends with the test.
func Serve(t testing.TB, protection Protection) *Server {
	t.Helper()
	certificates, pool := certify()
	s := &Server{Roots: &tls.Config{RootCAs: pool, ServerName: "127.0.0.1", MinVersion: tls.VersionTLS12}}
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.Address = listener.Addr().String()
	server := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return session{s}, nil }))
	server.Domain, server.ErrorLog = "localhost", log.New(io.Discard, "", 0)
	config := &tls.Config{Certificates: certificates, MinVersion: tls.VersionTLS12}
	switch protection {
	case None:
	case StartTLS:
		server.TLSConfig = config
	case TLS:
		listener = tls.NewListener(listener, config)
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return s
}

// certify returns a certificate of the standard library's tests and its root.
func certify() ([]tls.Certificate, *x509.CertPool) {
	server := httptest.NewUnstartedServer(nil)
	server.StartTLS()
	defer server.Close()
	pool := x509.NewCertPool()
	pool.AddCert(server.Certificate())
	return server.TLS.Certificates, pool
}

// Got returns what came so far.
func (s *Server) Got() Got {
	s.mu.Lock()
	defer s.mu.Unlock()
	return Got{Mails: slices.Clone(s.got.Mails), To: slices.Clone(s.got.To), Login: s.got.Login}
}

// Refuse makes the server answer each mail with a code.
func (s *Server) Refuse(code int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refuse = &smtp.SMTPError{Code: code, Message: "no"}
}

type session struct{ server *Server }

// AuthMechanisms implements smtp.AuthSession.
func (s session) AuthMechanisms() []string { return []string{sasl.Plain} }

// Auth implements smtp.AuthSession.
func (s session) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, username, password string) error {
		if username != Username || password != Password {
			return smtp.ErrAuthFailed
		}
		s.server.mu.Lock()
		defer s.server.mu.Unlock()
		s.server.got.Login = username
		return nil
	}), nil
}

// Mail implements smtp.Session.
func (s session) Mail(string, *smtp.MailOptions) error { return nil }

// Rcpt implements smtp.Session.
func (s session) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	s.server.got.To = append(s.server.got.To, to)
	return nil
}

// Data implements smtp.Session.
func (s session) Data(r io.Reader) error {
	text, err := io.ReadAll(r)
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	if s.server.refuse != nil {
		return s.server.refuse
	}
	s.server.got.Mails = append(s.server.got.Mails, string(text))
	return err
}

// Reset implements smtp.Session.
func (s session) Reset() {}

// Logout implements smtp.Session.
func (s session) Logout() error { return nil }
